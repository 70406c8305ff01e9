"""Stored results: an index of what lies in the folder, of which damage hides only itself."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from d24fad_core.cache.json_file import load_values, save_values
from d24fad_core.detection.detector import RESULT_SCHEMA
from d24fad_core.detection.result import AnalysisWarning, ContrastScore, WarningCode
from d24fad_core.files import write_text
from d24fad_core.places.place import RegionShare, Side, place_of
from d24fad_core.volumes.volume import Modality, Volume
from monailabel_app.analysis.results import ResultRecord, ResultStore, load_result
from monailabel_app.api.result_routes import record_document
from monailabel_app.failures import RequestError
from monailabel_app.store.database import Database
from tests.export.analysed_study import analysed

SHAPE = (12, 10, 8)
WARNINGS = (AnalysisWarning(WarningCode.OTHER_RESOLUTION, "Thick slices.", "Take thin ones."),)
RECORD = ResultRecord(
    id="a1",
    image="head",
    image_sha256="",
    support_set="default",
    support=("b", "c"),
    support_hash="",
    checkpoint_hash="",
    options={"planes": ["axial"]},
    case_score=1.0,
    peak_score=8.0,
    threshold=3.0,
    finding_count=1,
    created="2026-01-01T00:00:00Z",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def results(folder: Path, database: Database) -> ResultStore:
    store = ResultStore(folder, database)
    query = Volume(np.zeros(SHAPE, np.float32), np.eye(4), Modality.MR, "head")
    _, result = analysed(SHAPE, query.affine, lesions=(((6, 5, 4), 8.0),))
    count = len(result.findings)
    for name, image, created in (("a1", "head", "1"), ("a2", "head", "3"), ("b1", "chest", "2")):
        record = replace(RECORD, id=name, image=image, created=created, finding_count=count)
        store.put(record, query, result)
    return store


def names(store: ResultStore, image: str | None = None) -> list[str]:
    return [record.id for record in store.records(image)]


def test_the_newest_comes_first(results: ResultStore) -> None:
    assert names(results) == ["a2", "b1", "a1"]
    assert names(results, "head") == ["a2", "a1"]
    assert results.get("a1").record.support == ("b", "c")


def test_what_lies_in_the_folder_is_what_there_is(
    results: ResultStore, folder: Path, database: Database
) -> None:
    """Without the database, and after a server was killed before it made the entry."""
    with database.transaction() as connection:
        connection.execute("DELETE FROM results WHERE key = 'a1'")
    (folder / "b1").rename(folder.parent / "gone")
    assert names(ResultStore(folder, database)) == ["a2", "a1"]


def test_a_removed_result_is_gone_for_good(
    results: ResultStore, folder: Path, database: Database
) -> None:
    results.remove("a1")
    assert names(ResultStore(folder, database)) == ["a2", "b1"]
    assert not list(folder.glob(".partial-*"))
    with pytest.raises(RequestError, match="There is no result 'a1'"):
        results.get("a1")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"findings": [{}]}', '{"findings": []}'])
def test_a_damaged_report_hides_its_result_alone(
    results: ResultStore, folder: Path, database: Database, content: str
) -> None:
    (folder / "a1" / "report.json").write_text(content)
    assert results.find("a1") is None
    assert names(results) == ["a2", "b1"]
    assert results.get("a2").findings
    (note,) = database.all_set_aside()
    assert (note.kind, note.name) == ("result", "result-a1")
    assert (database.path.parent / "damaged" / "result-a1" / "report.json").is_file()


@pytest.mark.parametrize("name", ["heatmap", "heatmap-8bit", "mask", "report", "checksums"])
def test_a_byte_that_was_changed_on_the_disk_hides_its_result_alone(
    results: ResultStore, folder: Path, database: Database, name: str
) -> None:
    """A score or a voxel that was changed is never shown, also of a result that was read before."""
    assert results.find("a1") is not None
    (path,) = (folder / "a1").glob(f"{name}.*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    # The checksums themselves are read anew by the next server alone.
    store = ResultStore(folder, database) if name == "checksums" else results
    assert store.find("a1") is None
    assert names(results) == ["a2", "b1"]
    assert [note.name for note in database.all_set_aside()] == ["result-a1"]


def test_a_result_of_before_that_came_with_its_picture_is_read(
    results: ResultStore, folder: Path, database: Database
) -> None:
    (folder / "a1" / "overlay.png").write_bytes(b"picture")
    path = folder / "a1" / "checksums.json"
    save_values({**load_values(path), "overlay.png": "0" * 64}, path)
    assert ResultStore(folder, database).get("a1").overlay.read_bytes() == b"picture"


@pytest.mark.parametrize("content", [None, "", "{}", '{"id": "a1", "later": 1'])
def test_a_folder_without_a_readable_record_is_set_aside(
    results: ResultStore, folder: Path, database: Database, content: str | None
) -> None:
    (folder / "new").mkdir()
    if content is not None:
        write_text(folder / "new" / "record.json", content)
    assert names(ResultStore(folder, database)) == ["a2", "b1", "a1"]
    assert [note.kind for note in database.all_set_aside()] == ["result"]
    assert not (folder / "new").exists()


def test_a_record_of_a_later_version_is_read(
    results: ResultStore, folder: Path, database: Database
) -> None:
    document = json.loads((folder / "a1" / "record.json").read_text())
    with database.transaction() as connection:
        connection.execute("DELETE FROM results WHERE key = 'a1'")
    write_text(folder / "a1" / "record.json", json.dumps({**document, "later": [1]}))
    assert "a1" in names(ResultStore(folder, database))


def test_places_and_contrasts_are_kept(results: ResultStore) -> None:
    query, result = analysed(lesions=(((16, 9, 6), 8.0), ((6, 20, 3), 5.0)))
    first, second = result.findings
    shares = (RegionShare("insula", Side.RIGHT, 0.6), RegionShare("brain stem", None, 0.2))
    scores = (ContrastScore("flair", 8.0, 5.5), ContrastScore("t1", 2.0, 1.0))
    place = place_of(shares, certain=False, atlas="atlas")
    named = replace(first, place=place, contrasts=scores)
    record = replace(RECORD, id="c1", finding_count=2)
    results.put(record, query, replace(result, findings=(named, second)))
    stored_result = results.get("c1")
    assert stored_result.findings == load_result(stored_result).findings == (named, second)


def test_warnings_and_schema_are_kept_and_answered(
    results: ResultStore, folder: Path, database: Database
) -> None:
    query, result = analysed()
    record = replace(
        RECORD, id="c1", finding_count=len(result.findings), schema=RESULT_SCHEMA, warnings=WARNINGS
    )
    results.put(record, query, replace(result, warnings=WARNINGS))
    for store in (results, ResultStore(folder, database)):
        stored_result = store.get("c1")
        assert stored_result.record == record
        assert stored_result.record.warnings[0].code is WarningCode.OTHER_RESOLUTION
        assert load_result(stored_result).warnings == WARNINGS
        answer = json.loads(json.dumps(record_document(stored_result.record)))
        assert answer["schema"] == RESULT_SCHEMA
        assert (
            answer["warnings"]
            == stored_result.report["warnings"]
            == [
                {
                    "code": "other_resolution",
                    "sentence": "Thick slices.",
                    "remedy": "Take thin ones.",
                }
            ]
        )


def test_results_from_before_there_were_warnings_are_read(
    results: ResultStore, folder: Path, database: Database
) -> None:
    stored_result = results.get("a1")
    record = asdict(stored_result.record)
    del record["schema"], record["warnings"]
    report = {key: value for key, value in stored_result.report.items() if key != "warnings"}
    write_text(folder / "a1" / "record.json", json.dumps(record))
    write_text(folder / "a1" / "report.json", json.dumps(report))
    (folder / "a1" / "checksums.json").unlink()
    with database.transaction() as connection:
        connection.execute("DELETE FROM results WHERE key = 'a1'")
    old = ResultStore(folder, database).get("a1")
    assert (old.record.schema, old.record.warnings) == (0, ())
    assert load_result(old).warnings == ()
