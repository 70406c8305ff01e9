"""DICOM objects of stored results, and why there may be none."""

from pathlib import Path

import numpy as np
import pytest

from d24fad_core.io.reading import read_volume
from monailabel_app.analysis.dicom_results import DicomKind, DicomResults, dicom_bytes
from monailabel_app.analysis.results import ResultRecord, ResultStore, StoredResult
from monailabel_app.failures import RequestError
from monailabel_app.monai_label.datastore import StudiesFolder
from monailabel_app.store.database import Database
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.study_store import VOLUME_PATTERNS
from monailabel_app.studies.uploads import Uploads
from tests.export.analysed_study import analysed
from tests.io.dicom.dicom_builder import change, write_series

SHAPE = (24, 28, 12)


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "studies" / "head"
    values = np.random.default_rng(0).integers(1, 900, SHAPE).astype(np.int16)
    for path in write_series(folder, values, np.diag([1.0, 1.0, 3.0, 1.0])):
        change(path, FrameOfReferenceUID="1.2.3.4.5")
    return folder


@pytest.fixture
def stored(series: Path, tmp_path: Path, database: Database) -> StoredResult:
    volume = read_volume(series)
    _, result = analysed(SHAPE, volume.affine, lesions=(((16, 9, 6), 8.0),))
    record = ResultRecord(
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
    return ResultStore(tmp_path / "results", database).put(record, volume, result)


def results_of(series: Path, database: Database) -> DicomResults:
    store = StudiesFolder(str(series.parent), extensions=VOLUME_PATTERNS)
    return DicomResults(ImageCatalogue(store, FileHashes(database), Uploads(database)), store)


def test_all_three_objects_are_made(series: Path, stored: StoredResult, database: Database) -> None:
    objects = results_of(series, database).objects(stored)
    assert set(objects) == set(DicomKind)
    assert all(dicom_bytes(written)[128:132] == b"DICM" for written in objects.values())


def test_a_series_that_has_changed_is_refused_without_naming_the_servers_folders(
    series: Path, stored: StoredResult, database: Database
) -> None:
    change(next(series.iterdir()), FrameOfReferenceUID="1.2.9")
    with pytest.raises(RequestError, match=r"^head: the images do not share") as refused:
        results_of(series, database).objects(stored)
    assert refused.value.status == 422
    assert str(series.parent) not in str(refused.value)


def test_without_a_pacs_nothing_can_be_sent(
    series: Path, stored: StoredResult, database: Database
) -> None:
    results = results_of(series, database)
    with pytest.raises(RequestError, match="do not come from a PACS"):
        results.publish(results.objects(stored))
