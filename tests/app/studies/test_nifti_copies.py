"""Studies of every format reach a client that reads NIfTI only, on their own grid."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from nibabel.affines import apply_affine

from monailabel_app.failures import RequestError
from monailabel_app.monai_label.datastore import StudiesFolder
from monailabel_app.store.database import Database
from monailabel_app.studies import nifti_copies as module
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.nifti_copies import NiftiCopies
from monailabel_app.studies.study_store import VOLUME_PATTERNS
from monailabel_app.studies.uploads import Uploads
from tests.io.dicom.dicom_builder import write_series

VALUES = np.random.default_rng(0).integers(-1000, 1000, (6, 5, 4)).astype(np.int16)
# Oblique and off-centre, so that a flipped or dropped axis shows; RAS mm.
AFFINE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.1, 0.2, 0.0) @ np.diag([0.9, 1.1, 3.0]), [10.0, -20.0, 30.0]
)
LPS = np.array([-1.0, -1.0, 1.0])


def write_itk(path: Path, values: np.ndarray) -> None:
    spacing = np.linalg.norm(AFFINE[:3, :3], axis=0)
    image = SimpleITK.GetImageFromArray(values.T)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((LPS * AFFINE[:3, 3]).tolist())
    image.SetDirection((LPS[:, None] * AFFINE[:3, :3] / spacing).ravel().tolist())
    SimpleITK.WriteImage(image, str(path))


@pytest.fixture
def images(tmp_path: Path, database: Database) -> ImageCatalogue:
    studies = tmp_path / "studies"
    studies.mkdir()
    write_itk(studies / "nrrd.nrrd", VALUES)
    write_itk(studies / "mha.mha", VALUES)
    write_itk(studies / "fractions.mha", VALUES.astype(np.float32) / 7)
    write_itk(studies / "large.mha", VALUES.astype(np.int32) * 100)
    write_series(studies / "series", VALUES, AFFINE, modality="CT")
    nibabel.save(nibabel.Nifti1Image(VALUES, AFFINE), studies / "plain.nii")
    (studies / "garbage.nrrd").write_bytes(b"this is no scan")
    store = StudiesFolder(str(studies), extensions=VOLUME_PATTERNS)
    return ImageCatalogue(store, FileHashes(database), Uploads(database))


@pytest.fixture
def copies(images: ImageCatalogue, tmp_path: Path) -> NiftiCopies:
    return NiftiCopies(tmp_path / "nifti", images)


@pytest.mark.parametrize(
    ("image", "values", "data_type"),
    [
        ("nrrd", VALUES, np.int16),
        ("mha", VALUES, np.int16),
        ("series", VALUES, np.int16),
        ("fractions", VALUES.astype(np.float32) / 7, np.float32),
        ("large", VALUES.astype(np.float32) * 100, np.float32),
    ],
)
def test_every_voxel_keeps_its_value_and_its_place(
    images: ImageCatalogue, copies: NiftiCopies, image: str, values: np.ndarray, data_type: type
) -> None:
    copy = nibabel.load(copies.file(images.study(image)))
    assert copy.get_data_dtype() == data_type
    assert copy.header.get_xyzt_units()[0] == "mm"
    assert int(copy.header["sform_code"]) > 0
    # A DICOM reader may stack the slices the other way round: compare by place, not by index.
    voxels = np.asarray(copy.dataobj)
    there = np.indices(values.shape).reshape(3, -1).T
    here = apply_affine(np.linalg.inv(copy.affine) @ AFFINE, there)
    np.testing.assert_allclose(here, np.rint(here), atol=1e-3)
    index = tuple(np.rint(here).astype(int).T)
    np.testing.assert_allclose(voxels[index], values.ravel(), rtol=1e-6)


def test_a_nifti_file_stays_as_it_is(images: ImageCatalogue, copies: NiftiCopies) -> None:
    study = images.study("plain")
    assert copies.file(study) == study.path


def test_a_copy_is_made_once_and_anew_when_the_study_changes(
    images: ImageCatalogue, copies: NiftiCopies, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = images.study("nrrd")
    first = copies.file(study)
    with monkeypatch.context() as patch:
        patch.delattr(module, "_write")
        assert copies.file(study) == first
    write_itk(study.path, VALUES + 1)
    changed = copies.file(study)
    assert changed != first
    assert np.array_equal(np.asarray(nibabel.load(changed).dataobj), VALUES + 1)
    first.unlink()
    write_itk(study.path, VALUES)
    assert np.array_equal(np.asarray(nibabel.load(copies.file(study)).dataobj), VALUES)


def test_a_conversion_that_fails_leaves_nothing(
    images: ImageCatalogue, copies: NiftiCopies, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(RequestError) as refusal:
        copies.file(images.study("garbage"))
    assert refusal.value.code == "unreadable_image"
    assert str(tmp_path) not in str(refusal.value)

    def full(image: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.nib, "save", full)
    with pytest.raises(OSError, match="No space"):
        copies.file(images.study("mha"))
    assert list((tmp_path / "nifti").iterdir()) == []
