"""Reviews that earlier versions kept in files: every event is there again, in its order."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from d24fad_core.files import hash_file
from monailabel_app.analysis.results import ResultStore
from monailabel_app.api.review_routes import review_document
from monailabel_app.former_reviews import import_former_reviews
from monailabel_app.former_state import KEPT_FOLDER
from monailabel_app.jobs.job import JobStore
from monailabel_app.normals.support_sets import SupportSetRecord
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.states import ReviewEvent, review_of
from monailabel_app.store import schema
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.recovery import open_database
from tests.app.api.forked_server import forked_server
from tests.app.http_client import Api

FORMER = Path(__file__).parent / "former_studies"
WITH_DATABASE = FORMER / "with_database"
"""Written by the server of commit 2029fa3, which was killed with -9 after its last answer: a
database of the first schema with SQLite's log beside it, and reviews in files."""
LESION = "3962abf8426b7d82e3b728b7fbe19034"
NORMAL = "62b3ed50a385af18e8542b8fd2a73caa"


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    target = tmp_path / "studies"
    shutil.copytree(FORMER / "studies", target)
    shutil.copytree(target / "state" / "results", target / ".d24fad" / "results")
    shutil.copytree(target / "state" / "reviews" / "masks", target / ".d24fad/reviews/masks")
    shutil.rmtree(target / "state")
    shutil.copytree(WITH_DATABASE, target / ".d24fad", dirs_exist_ok=True)
    (target / ".d24fad" / "expected.json").unlink()
    return target


@pytest.fixture
def state(studies: Path) -> Path:
    return studies / ".d24fad"


@pytest.fixture
def expected() -> Any:
    return json.loads((WITH_DATABASE / "expected.json").read_text(encoding="utf-8"))


def started(state: Path) -> tuple[Database, ResultStore, ReviewLog]:
    """What a start of the server does with the reviews."""
    database = open_database(state / "state.sqlite3")
    results = ResultStore(state / "results", database)
    log = ReviewLog(database)
    import_former_reviews(state, database, results.records(), log)
    return database, results, log


def documents(results: ResultStore, log: ReviewLog) -> dict[str, Any]:
    """The reviews as clients see them, by address."""
    return {
        f"/results/{record.id}/review": json.loads(
            json.dumps(
                review_document(
                    record.id,
                    record.image,
                    review_of(record.finding_count, log.events(record.id)),
                    log.lost(record.id),
                )
            )
        )
        for record in results.records()
    }


def without(document: Any, name: str) -> Any:
    return {key: value for key, value in document.items() if key != name}


def test_every_event_comes_back_and_the_files_are_kept(state: Path, expected: Any) -> None:
    before = {path.name: path.read_bytes() for path in (state / "reviews").glob("*.jsonl")}
    database, results, log = started(state)
    now = documents(results, log)
    assert len(now) == 5
    for address, document in now.items():
        assert without(document, "lost_events") == expected[address]
        assert document["lost_events"] == []
    assert database.all_set_aside() == []
    folder = state / KEPT_FOLDER / "reviews"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list((state / "reviews").iterdir()) == [state / "reviews" / "masks"]
    # What the killed server had acknowledged was in SQLite's log alone.
    assert len(JobStore(database).load()) == 4
    assert len(Records(database, schema.SUPPORT_SETS, SupportSetRecord).find()) == 2
    states = log.states.by_image()
    for entry in expected["/images"]["items"]:
        if entry["image"] in states:
            assert states[entry["image"]].state == entry["state"]

    database.close()
    again, results, log = started(state)
    assert documents(results, log) == now
    assert log.states.by_image() == states
    again.close()


def test_an_import_that_was_killed_goes_on(state: Path) -> None:
    """Between the commit and the moving of the files; and reviewers have gone on since."""
    files = {path: path.read_bytes() for path in (state / "reviews").glob("*.jsonl")}
    database, results, log = started(state)
    record = results.get(LESION).record
    log.append(record, ReviewEvent("note", "CD", note="since"))
    now = documents(results, log)
    for path, content in files.items():
        path.write_bytes(content)
    import_former_reviews(state, database, results.records(), log)
    assert documents(results, log) == now
    assert database.all_set_aside() == []
    assert not list((state / "reviews").glob("*.jsonl"))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b'{"action": "reject", "find', "no review event"),
        (b"\xff\xfe\0", "no review event"),
        (b"[]", "no review event"),
        (b'{"action": "note", "reviewer": "AB", "event": "many"}', "no review event"),
        (b'{"action": "note", "reviewer": "AB", "event": 1, "key": "x"}', "before"),
    ],
)
def test_a_damaged_line_is_set_aside_alone(
    state: Path, expected: Any, line: bytes, word: str
) -> None:
    path = state / "reviews" / f"{LESION}.jsonl"
    path.write_bytes(path.read_bytes() + line + b"\n")
    database, results, log = started(state)
    for address, document in documents(results, log).items():
        assert without(document, "lost_events") == expected[address]
    (note,) = database.all_set_aside()
    assert (note.kind, word in note.reason) == ("review file", True)
    assert note.name.startswith(f"{LESION}.jsonl, line ")


def test_a_line_that_is_lost_in_the_middle_is_told(state: Path) -> None:
    path = state / "reviews" / f"{LESION}.jsonl"
    first, second, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, b"{" + second, *others]))
    database, _, log = started(state)
    assert log.lost(LESION) == (2,)
    assert [note.name for note in database.all_set_aside()] == [f"{LESION}.jsonl, line 2"]


def test_a_review_waits_for_its_result(state: Path, expected: Any) -> None:
    shutil.move(state / "results" / LESION, state / "elsewhere")
    database, results, log = started(state)
    assert log.events(LESION) == ()
    assert [note.name for note in database.all_set_aside()] == [f"{LESION}.jsonl"]
    assert (state / "reviews" / f"{LESION}.jsonl").is_file()
    database.close()
    shutil.move(state / "elsewhere", state / "results" / LESION)
    _, results, log = started(state)
    address = f"/results/{LESION}/review"
    assert without(documents(results, log)[address], "lost_events") == expected[address]


def test_files_of_a_server_that_was_older_in_between_are_not_mixed_in(state: Path) -> None:
    """It began the log of a result again, having moved away what it knew."""
    database, results, log = started(state)
    now = documents(results, log)
    path = state / "reviews" / f"{NORMAL}.jsonl"
    path.write_text('{"action": "note", "reviewer": "AB", "event": 1, "time": "2026"}\n')
    import_former_reviews(state, database, results.records(), log)
    assert documents(results, log) == now
    (note,) = database.all_set_aside()
    assert (note.kind, note.name) == ("review file", path.name)
    assert "not taken" in note.reason


def test_of_two_results_in_the_same_second_the_one_that_marks_something_counts(
    state: Path,
) -> None:
    """Files say no more than the second; what may mark something is never taken for normal."""
    record = json.loads((state / "results" / LESION / "record.json").read_text())
    twin = "0" * 32
    shutil.copytree(state / "results" / LESION, state / "results" / twin)
    (state / "results" / twin / "record.json").write_text(json.dumps({**record, "id": twin}))
    for result, action in ((LESION, "confirm_normal"), (twin, "accept")):
        finding = 1 if action == "accept" else None
        event = {"action": action, "reviewer": "AB", "event": 1, "time": "2026", "finding": finding}
        (state / "reviews" / f"{result}.jsonl").write_text(json.dumps(event) + "\n")
    _, _, log = started(state)
    assert log.states.by_image()["lesion-001"].result == twin


@pytest.mark.server
@pytest.mark.slow
def test_the_whole_server_shows_the_reviews_that_the_former_one_showed(
    studies: Path, tmp_path: Path, expected: Any
) -> None:
    # As a server that was killed between the event and the label would leave it.
    label = studies / "labels" / "final" / "lesion-001.nii.gz"
    label.unlink()
    with forked_server(studies, tmp_path / "server.log") as server:
        api = Api(server.url)
        for address, document in expected.items():
            if address.endswith("/review"):
                assert without(api.get(address), "lost_events") == document
        states = {entry["image"]: entry["state"] for entry in expected["/images"]["items"]}
        assert {e["image"]: e["state"] for e in api.get("/images")["items"]} == states
        assert hash_file(label) == api.get(f"/results/{LESION}/review")["final"]["sha256"]
        assert api.get("/status")["set_aside"] == []
