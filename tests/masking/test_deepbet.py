"""deepbet on a real head, where it is installed."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from d24fad_core.io.reading import read_volume
from d24fad_core.masking.brain_mask import brain_mask
from d24fad_core.masking.deepbet import deepbet_version
from d24fad_core.volumes.volume import MaskKind, Volume

VOLUMES = Path(__file__).parents[3] / "shared" / "volumes"
BRAIN1 = VOLUMES / "brain1"

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


def test_lesions_at_the_surface_stay_inside() -> None:
    """Dark ones above all, which look like the fluid around the brain."""
    if not VOLUMES.exists():
        pytest.skip("the real volumes of ../shared are absent")
    head = read_volume(VOLUMES / "colin27" / "t1.nii.gz")
    brain = brain_mask(head, MaskKind.DEEPBET)
    bright = float(np.percentile(head.array[brain], 95))
    depth = ndimage.distance_transform_edt(brain)
    surface = np.argwhere((depth > 2) & (depth <= 4))
    for seed, value in enumerate((0.1, 0.3, 1.3)):
        rng = np.random.default_rng(seed)
        centre, radius = surface[rng.integers(len(surface))], rng.uniform(4, 9)
        distance = np.linalg.norm(np.moveaxis(np.indices(head.shape), 0, -1) - centre, axis=-1)
        lesion = (distance < radius) & (depth > 2)
        array = np.where(lesion, value * bright, head.array).astype(np.float32)
        inside = brain_mask(Volume(array, head.affine, head.modality, head.name), MaskKind.DEEPBET)
        assert inside[lesion].mean() > 0.95
