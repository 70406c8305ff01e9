"""DICOM objects of stored results, and why there may be none."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d24fad_core.io.reading import read_volume
from monailabel_app.analysis.dicom_results import DicomKind, DicomResults, dicom_bytes
from monailabel_app.analysis.results import ResultRecord, ResultStore, StoredResult
from monailabel_app.analysis.stored_change import load_change
from monailabel_app.failures import RequestError
from monailabel_app.monai_label.datastore import StudiesFolder
from monailabel_app.store.database import Database
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.study_store import VOLUME_PATTERNS
from monailabel_app.studies.uploads import Uploads
from tests.export.analysed_study import analysed
from tests.export.dicom.test_changes import changed
from tests.io.dicom.dicom_builder import change, write_series

SHAPE = (24, 28, 12)
RECORD = ResultRecord(
    "a1",
    "head",
    "",
    "default",
    ("b", "c"),
    "",
    "",
    {},
    1.0,
    8.0,
    3.0,
    1,
    "2026-01-01T00:00:00Z",
)
OF_CHANGE = {DicomKind.CHANGE_SEGMENTATION, DicomKind.CHANGE_REPORT}


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "studies" / "head"
    values = np.random.default_rng(0).integers(1, 900, SHAPE).astype(np.int16)
    for path in write_series(folder, values, np.diag([1.0, 1.0, 3.0, 1.0])):
        change(path, FrameOfReferenceUID="1.2.3.4.5")
    return folder


@pytest.fixture
def stored_result(series: Path, tmp_path: Path, database: Database) -> StoredResult:
    volume = read_volume(series)
    _, result = analysed(SHAPE, volume.affine, lesions=(((16, 9, 6), 8.0),))
    return ResultStore(tmp_path / "results", database).put(RECORD, volume, result)


def results_of(series: Path, database: Database) -> DicomResults:
    store = StudiesFolder(str(series.parent), extensions=VOLUME_PATTERNS)
    return DicomResults(ImageCatalogue(store, FileHashes(database), Uploads(database)), store)


def test_all_three_objects_are_made(
    series: Path, stored_result: StoredResult, database: Database
) -> None:
    results = results_of(series, database)
    objects = results.objects(stored_result)
    assert set(objects) == set(DicomKind) - OF_CHANGE
    for kind in OF_CHANGE:
        with pytest.raises(RequestError, match="was made without a prior") as refusal:
            results.object(stored_result, kind)
        assert refusal.value.code == "no_prior"
    assert all(dicom_bytes(dataset)[128:132] == b"DICM" for dataset in objects.values())


def test_a_prior_adds_two_objects_that_refer_to_its_images(
    series: Path, tmp_path: Path, database: Database
) -> None:
    shutil.copytree(series, series.parent / "before")
    volume = read_volume(series)
    _, result = analysed(SHAPE, volume.affine, lesions=(((16, 9, 6), 8.0),))
    change = changed(result)
    record = replace(RECORD, options={"prior": "before"})
    stored_result = ResultStore(tmp_path / "results", database).put(record, volume, result, change)
    assert stored_result.change is not None
    again = load_change(stored_result.change, stored_result.report["change"])
    assert (again.changes, again.use, again.threshold) == (
        change.changes,
        change.use,
        change.threshold,
    )
    np.testing.assert_array_equal(again.ranks, change.ranks)
    np.testing.assert_allclose(again.heatmap, change.heatmap, atol=0.006)
    objects = results_of(series, database).objects(stored_result)
    assert set(objects) == set(DicomKind)
    report = objects[DicomKind.CHANGE_REPORT]
    assert [each.SegmentLabel for each in objects[DicomKind.CHANGE_SEGMENTATION].SegmentSequence][
        -1
    ] == "Change 5: stable"
    # A prior that is here no more is not referred to, and the report is written all the same.
    shutil.rmtree(series.parent / "before")
    alone = results_of(series, database).objects(stored_result)[DicomKind.CHANGE_REPORT]
    assert len(str(alone)) < len(str(report))


@pytest.mark.parametrize("name", ["change.nii.gz", "changes.nii.gz", "prior.nii.gz", "changes.png"])
def test_a_byte_of_the_comparison_with_a_prior_that_was_changed_hides_the_result(
    series: Path, tmp_path: Path, database: Database, name: str
) -> None:
    volume = read_volume(series)
    _, result = analysed(SHAPE, volume.affine, lesions=(((16, 9, 6), 8.0),))
    store = ResultStore(tmp_path / "results", database)
    record = replace(RECORD, options={"prior": "before"})
    stored_result = store.put(record, volume, result, changed(result))
    path = stored_result.mask.parent / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert store.find(record.id) is None


def test_a_series_that_has_changed_is_refused_without_naming_the_servers_folders(
    series: Path, stored_result: StoredResult, database: Database
) -> None:
    change(next(series.iterdir()), FrameOfReferenceUID="1.2.9")
    with pytest.raises(RequestError, match=r"^head: the images do not share") as refusal:
        results_of(series, database).objects(stored_result)
    assert refusal.value.status == 422
    assert str(series.parent) not in str(refusal.value)


def test_without_a_pacs_nothing_can_be_sent(
    series: Path, stored_result: StoredResult, database: Database
) -> None:
    results = results_of(series, database)
    with pytest.raises(RequestError, match="do not come from a PACS"):
        results.publish(results.objects(stored_result))
