import numpy as np
import pytest
import SimpleITK as sitk
import torch

from d24fad_core.support.mirror import mirror_image

SHAPE = (60, 66, 54)


def head(lesion: bool, tilt: float = 0.0, shift: float = 0.0) -> torch.Tensor:
    """Two equal halves with a cavity each; the lesion lies in one of them.

    Args:
        lesion: whether there is one.
        tilt: degrees by which the plane between the halves leans.
        shift: voxels by which it lies aside of the middle of the grid.
    """
    axes = [torch.arange(size) - (size - 1) / 2.0 for size in SHAPE]
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    tissue = torch.sigmoid(1.0 - ((x / 22) ** 2 + (y / 28) ** 2 + (z / 21) ** 2).sqrt())
    tissue = torch.sigmoid(40.0 * (tissue - 0.5)) * (
        0.8 + 0.1 * torch.cos(y / 4) * torch.cos(z / 5)
    )
    for side in (-1.0, 1.0):
        cavity = ((x - side * 8) ** 2 + (y / 2) ** 2 + z**2).sqrt()
        tissue = tissue * (1.0 - 0.7 * torch.sigmoid(5.0 - cavity))
    if lesion:
        spot = ((x - 12) ** 2 + (y - 8) ** 2 + (z - 6) ** 2).sqrt()
        tissue = tissue * (1.0 - 0.5 * torch.sigmoid(2.0 * (4.0 - spot)))
    image = sitk.GetImageFromArray(tissue.numpy())
    centre = [(size - 1) / 2.0 for size in reversed(SHAPE)]
    turn = sitk.Euler3DTransform(centre, 0.0, np.deg2rad(tilt), 0.0, (0.0, 0.0, shift))
    moved = torch.from_numpy(
        sitk.GetArrayFromImage(sitk.Resample(image, image, turn, sitk.sitkLinear, 0.0))
    )
    return moved * (moved > 0.01)


def _texture(y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return 0.8 + 0.1 * torch.cos(y / 4) * torch.cos(z / 5)


@pytest.mark.parametrize(("tilt", "shift"), [(0.0, 0.0), (5.0, 3.0), (-8.0, -2.0)])
def test_halves_lie_on_each_other_however_the_head_lies(tilt: float, shift: float) -> None:
    study = head(False, tilt, shift)
    mirror = mirror_image(study)
    assert mirror.shape == study.shape
    inner = study > 0.5
    assert float((study - mirror).abs()[inner].mean()) < 0.02
    if tilt:
        assert float((study - study.flip(0)).abs()[inner].mean()) > 0.04


def test_a_lesion_of_one_side_meets_the_other_sides_tissue() -> None:
    study, sound = head(True, 4.0), head(False, 4.0)
    mirror = mirror_image(study)
    lesion = sound - study > 0.2
    assert int(lesion.sum()) > 50
    assert float((mirror - sound).abs()[lesion].mean()) < 0.05


def test_each_run_is_the_same_and_the_outside_stays_empty() -> None:
    study = head(True, 3.0, 1.0)
    once = mirror_image(study)
    torch.testing.assert_close(once, mirror_image(study), rtol=0.0, atol=0.0)
    assert not once[0, 0].any()


def test_without_anything_to_register_the_mirror_image_is_plain() -> None:
    flat = torch.zeros(16, 16, 16)
    torch.testing.assert_close(mirror_image(flat), flat)
