"""Pictures of stored results: drawn when they are asked for, of the study that was analysed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from d24fad_core.export.pictures.overlay import write_overlay
from d24fad_core.volumes.volume import Modality
from monailabel_app.analysis.overlays import Overlays
from monailabel_app.analysis.results import ResultRecord, ResultStore, StoredResult
from monailabel_app.failures import RequestError
from monailabel_app.store.database import Database
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.uploads import Uploads
from tests.export.analysed_study import analysed

SHAPE = (40, 36, 24)
LESIONS = (((20, 18, 12), 8.0), ((10, 9, 6), 6.5))


class OneStudy:
    """A datastore of one image."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def list_images(self) -> list[str]:
        return ["head"]

    def get_image_uri(self, _: str) -> str:
        return str(self.path)


def pixels(path: Path) -> NDArray[Any]:
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.int16)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "head.nii"
    voxels = np.random.default_rng(1).integers(100, 900, SHAPE).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1.0])), path)
    return path


@pytest.fixture
def images(study: Path, database: Database) -> ImageCatalogue:
    datastore: Any = OneStudy(study)
    return ImageCatalogue(datastore, FileHashes(database), Uploads(database))


@pytest.fixture
def stored_result(images: ImageCatalogue, tmp_path: Path, database: Database) -> StoredResult:
    head = images.study("head")
    query = head.volume(Modality.MR)
    _, result = analysed(SHAPE, query.affine, lesions=LESIONS)
    write_overlay(query, result, tmp_path / "expected.png")
    record = ResultRecord(
        id="a1",
        image="head",
        image_sha256=images.content_hash(head),
        support_set=None,
        support=("b", "c"),
        support_hash="",
        checkpoint_hash="",
        options={"modality": "MR"},
        case_score=1.0,
        peak_score=8.0,
        threshold=3.0,
        finding_count=len(result.findings),
        created="2026-01-01T00:00:00Z",
    )
    return ResultStore(tmp_path / "results", database).put(record, query, result)


def test_the_picture_is_drawn_when_it_is_asked_for_and_kept(
    stored_result: StoredResult, images: ImageCatalogue, study: Path, tmp_path: Path
) -> None:
    overlays = Overlays(images)
    assert not stored_result.overlay.exists()
    path = overlays.of(stored_result)
    assert path == stored_result.overlay
    drawn, expected = pixels(path), pixels(tmp_path / "expected.png")
    # Stored scores are rounded to 0.01 z, which moves a colour by a step here and there.
    assert drawn.shape == expected.shape
    assert np.abs(drawn - expected).max() <= 8
    study.unlink()
    assert overlays.of(stored_result).read_bytes() == path.read_bytes()


def test_the_picture_of_a_study_that_was_replaced_is_refused(
    stored_result: StoredResult, images: ImageCatalogue, study: Path
) -> None:
    other = np.zeros(SHAPE, np.int16)
    nibabel.save(nibabel.Nifti1Image(other, np.eye(4)), study)
    with pytest.raises(RequestError) as refusal:
        Overlays(images).of(stored_result)
    assert refusal.value.code == "studies_changed"
    assert not stored_result.overlay.exists()


def test_a_modality_that_nobody_named_is_guessed_again(
    stored_result: StoredResult, images: ImageCatalogue, tmp_path: Path
) -> None:
    record = replace(stored_result.record, options={"modality": None})
    path = Overlays(images).of(replace(stored_result, record=record))
    assert pixels(path).shape == pixels(tmp_path / "expected.png").shape
