"""deepbet on a real head, where it is installed."""

from pathlib import Path

import numpy as np
import pytest

from d24fad_core.io.reading import read_volume
from d24fad_core.masking.brain import brain_mask
from d24fad_core.masking.deepbet import deepbet_version
from d24fad_core.volumes.volume import MaskKind

BRAIN1 = Path(__file__).parents[3] / "shared" / "volumes" / "brain1"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared_data,
    pytest.mark.skipif(
        deepbet_version() is None, reason="deepbet is not installed (pip install d24fad[brain])"
    ),
]


def test_a_real_tumour_stays_inside_and_the_scalp_outside() -> None:
    if not BRAIN1.exists():
        pytest.skip("the real volumes of ../shared are absent")
    scan = read_volume(BRAIN1 / "brain1_image.nrrd")
    inside = brain_mask(scan, MaskKind.DEEPBET)
    tumour = read_volume(BRAIN1 / "brain1_label.nrrd").array > 0
    assert inside.shape == scan.shape
    assert inside[tumour].mean() > 0.95
    assert not inside[0].any() and not inside[-1].any()
    assert 1000 < np.count_nonzero(inside) * scan.voxel_ml < 2000
