"""Brains alone, heads, and what is neither."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d24fad_core.io.reading import read_volume
from d24fad_core.masking.coverage import Coverage, coverage_of
from d24fad_core.volumes.volume import Modality
from tests.masking.heads import head, stripped

VOLUMES = Path(__file__).parents[3] / "shared" / "volumes"


def test_heads_and_their_brains_are_told_apart() -> None:
    assert coverage_of(head(1)) is Coverage.HEAD
    assert coverage_of(stripped(1)) is Coverage.BRAIN


def test_a_knee_is_no_head_and_a_small_brain_no_brain() -> None:
    for spacing, scan in ((2.0, head(1)), (2.0, stripped(1)), (7.0, head(1))):
        affine = np.diag([spacing, spacing, spacing, 1.0])
        assert coverage_of(replace(scan, affine=affine)) is Coverage.OTHER


def test_a_brain_in_noise_is_not_known_to_be_alone() -> None:
    scan = stripped(1)
    noise = np.abs(np.random.default_rng(0).normal(0, 2, scan.shape)).astype(np.float32)
    assert coverage_of(replace(scan, array=scan.array + noise)) is Coverage.OTHER


def test_a_ct_is_a_body() -> None:
    scan = replace(head(1), array=head(1).array - 1000, modality=Modality.CT)
    assert coverage_of(scan) is Coverage.BODY


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("path", "coverage"),
    [
        ("colin27/t1.nii.gz", Coverage.HEAD),
        ("brain1/brain1_image.nrrd", Coverage.HEAD),
        ("normal_t1_ixi/IXI033.nii.gz", Coverage.HEAD),
        ("normal_t1_ds002748/sub-52.nii.gz", Coverage.BRAIN),
        ("normal_t1_ds002748/at_1_5_mm/sub-17.nii.gz", Coverage.BRAIN),
        ("ms_patient07/flair.nii.gz", Coverage.BRAIN),
        ("glioma/pat0005/flair.nii.gz", Coverage.BRAIN),
        ("ms_change/patient01/study1_FLAIR.nii.gz", Coverage.HEAD),
        ("lung1/lung1_image.nrrd", Coverage.BODY),
    ],
)
def test_real_scans_are_known_for_what_they_are(path: str, coverage: Coverage) -> None:
    if not (VOLUMES / path).exists():
        pytest.skip("the real volumes of ../shared are absent")
    assert coverage_of(read_volume(VOLUMES / path)) is coverage
