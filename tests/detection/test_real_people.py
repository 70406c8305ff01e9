"""Warnings on real heads: none about a normal one, and some where a trial met none."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import ArrayLike

from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import WarningCode
from d24fad_core.io.reading import read_volume
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Modality, Volume
from tests.io.stored_studies import write_dicom
from tests.support.test_likeness import PEOPLE, stored_otherwise

HEADS = sorted((PEOPLE / "normal_t1_ixi").glob("*.nii.gz"))[1::2]
OPTIONS = DetectionOptions()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HEADS, reason=f"{PEOPLE / 'normal_t1_ixi'} is not here"),
]


def head(number: int) -> Volume:
    return read_volume(HEADS[number], Modality.MR)


def changed(volume: Volume, array: ArrayLike) -> Volume:
    return replace(volume, array=np.ascontiguousarray(array, dtype=np.float32))


def axis(volume: Volume, direction: int) -> int:
    """Array axis that runs along right (0), anterior (1) or superior (2)."""
    orientation = nibabel.orientations.io_orientation(volume.affine)
    return int(np.flatnonzero(orientation[:, 0] == direction)[0])


def noise_in_the_shape_of(volume: Volume) -> Volume:
    noise = np.random.default_rng(0).uniform(0, 1000, volume.shape)
    return changed(
        volume, np.where(volume.array > 0.1 * np.percentile(volume.array, 99.5), noise, 0)
    )


def upside_down(volume: Volume) -> Volume:
    return changed(volume, np.flip(volume.array, axis(volume, 2)))


def of_thick_slices(volume: Volume) -> Volume:
    """Three slices averaged into one, head-foot."""
    along = axis(volume, 2)
    array = np.moveaxis(volume.array, along, 0)
    array = array[: len(array) // 3 * 3].reshape(-1, 3, *array.shape[1:]).mean(axis=1)
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, along]
    affine[:3, along] *= 3
    return replace(changed(volume, np.moveaxis(array, 0, along)), affine=affine)


def of_large_voxels(volume: Volume) -> Volume:
    return replace(volume, affine=volume.affine @ np.diag([100.0, 100.0, 100.0, 1.0]))


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return Detector.from_checkpoint(cache_folder=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def support(detector: Detector) -> SupportSet:
    return detector.prepare_support([head(number) for number in range(3)], OPTIONS)


def codes(detector: Detector, support: SupportSet, case: Volume) -> set[WarningCode]:
    # Whether a normal stands out is told of the set, whatever the case.
    warning_codes = {warning.code for warning in detector.detect(case, support, OPTIONS).warnings}
    return warning_codes - {WarningCode.ABNORMAL_SUPPORT}


def test_nothing_is_said_of_a_normal_head(detector: Detector, support: SupportSet) -> None:
    assert support.alike == ()
    assert codes(detector, support, head(4)) == set()


@pytest.mark.parametrize("change", [noise_in_the_shape_of, upside_down])
def test_a_strange_study_differs_everywhere(
    detector: Detector, support: SupportSet, change: object
) -> None:
    warning_codes = codes(detector, support, change(head(4)))  # type: ignore[operator]
    assert WarningCode.DIFFERS_EVERYWHERE in warning_codes


def test_thick_slices_and_large_voxels_are_said(detector: Detector, support: SupportSet) -> None:
    assert WarningCode.OTHER_RESOLUTION in codes(detector, support, of_thick_slices(head(4)))
    assert WarningCode.OTHER_SIZE in codes(detector, support, of_large_voxels(head(4)))


def test_a_normal_stored_otherwise_is_found_among_its_support(
    detector: Detector, support: SupportSet, tmp_path: Path
) -> None:
    """As DICOM against NIfTI, too."""
    other = stored_otherwise(head(1))
    whole = np.asarray(np.clip(np.round(other.array), -32768, 32767), np.int16)
    series = write_dicom(tmp_path, whole, other.affine)
    case = replace(read_volume(series, Modality.MR), name="case")
    warnings = detector.detect(case, support, OPTIONS).warnings
    (warning,) = [each for each in warnings if each.code is WarningCode.CASE_IN_SUPPORT]
    assert f"case and the normal study {HEADS[1].name.partition('.')[0]} look" in warning.sentence
