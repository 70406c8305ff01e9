"""A scan that is among its own normals is named, in whatever file, order and scale it comes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import WarningCode
from d24fad_core.errors import SupportError
from d24fad_core.io.reading import read_volume
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Modality, Volume
from tests.detection.small_studies import detector
from tests.io.stored_studies import write_dicom, write_multi_frame, write_nrrd
from tests.support.phantom import stored_otherwise
from tests.support.test_likeness import picture

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AFFINE[:3, 3] = (-70.0, -90.0, -80.0)
OPTIONS = DetectionOptions()


def head(number: int) -> NDArray[np.int16]:
    """A person of their own folds, in whole numbers, shape (I, J, K)."""
    return np.asarray(np.round(1000 * picture(number).T), np.int16)


def write_packed(path: Path, array: NDArray[np.int16]) -> Path:
    nibabel.Nifti1Image(array, AFFINE).to_filename(path)
    return path


def turned(volume: Volume) -> Volume:
    return stored_otherwise(volume, (2, 0, 1), (True, False, True))


def rescaled(volume: Volume) -> Volume:
    return replace(volume, array=np.asarray(0.25 * volume.array + 37, np.float32))


def by_file(volume: Volume, folder: Path, write: Callable[..., Path] = write_dicom) -> Volume:
    """The volume as it is read back from a file of another format."""
    folder.mkdir(parents=True, exist_ok=True)
    voxels = np.asarray(np.round(volume.array), np.int16)
    return read_volume(write(folder, voxels, volume.affine), Modality.MR)


CHANGES: dict[str, Callable[[Volume, Path], Volume]] = {
    "turned": lambda volume, _: turned(volume),
    "rescaled": lambda volume, _: rescaled(volume),
    "DICOM, turned and rescaled": lambda volume, folder: by_file(rescaled(turned(volume)), folder),
}
OTHER_FILES = {"DICOM": write_dicom, "multi-frame": write_multi_frame, "NRRD": write_nrrd}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return detector(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def normals(tmp_path_factory: pytest.TempPathFactory) -> list[Volume]:
    folder = tmp_path_factory.mktemp("normals")
    paths = [write_packed(folder / f"normal-{n}.nii.gz", head(n)) for n in range(3)]
    return [read_volume(path, Modality.MR) for path in paths]


@pytest.fixture(scope="module")
def support(model: Detector, normals: list[Volume]) -> SupportSet:
    return model.prepare_support(normals, OPTIONS)


def require_found(model: Detector, support: SupportSet, case: Volume) -> None:
    warning_list = model.detect(replace(case, name="case"), support, OPTIONS).warnings
    (warning,) = [each for each in warning_list if each.code is WarningCode.CASE_IN_SUPPORT]
    assert "case and the normal study normal-1 look like scans of one person" in warning.sentence


def test_the_case_is_found_as_dicom_among_nifti(
    model: Detector, support: SupportSet, normals: list[Volume], tmp_path: Path
) -> None:
    require_found(model, support, by_file(normals[1], tmp_path / "case"))


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_the_case_is_found_however_it_was_changed(
    model: Detector,
    support: SupportSet,
    normals: list[Volume],
    tmp_path: Path,
    change: Callable[[Volume, Path], Volume],
) -> None:
    require_found(model, support, change(normals[1], tmp_path / "case"))


@pytest.mark.parametrize("write", OTHER_FILES.values(), ids=list(OTHER_FILES))
def test_the_same_voxels_in_another_file_are_refused_as_a_second_normal(
    model: Detector, normals: list[Volume], tmp_path: Path, write: Callable[..., Path]
) -> None:
    again = replace(by_file(normals[2], tmp_path / "again", write), name="again")
    with pytest.raises(SupportError, match="normal-2 and again are the same scan"):
        model.prepare_support([*normals, again], OPTIONS)


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_normal_that_is_there_twice_is_named(
    model: Detector,
    normals: list[Volume],
    tmp_path: Path,
    change: Callable[[Volume, Path], Volume],
) -> None:
    again = replace(change(normals[2], tmp_path / "again"), name="again")
    assert model.prepare_support([*normals, again], OPTIONS).alike == ((2, len(normals)),)


def test_another_person_is_not_taken_for_a_normal(
    model: Detector, support: SupportSet, tmp_path: Path
) -> None:
    stranger = read_volume(write_packed(tmp_path / "stranger.nii.gz", head(7)), Modality.MR)
    assert support.alike == ()
    codes = {each.code for each in model.detect(turned(stranger), support, OPTIONS).warnings}
    assert WarningCode.CASE_IN_SUPPORT not in codes
