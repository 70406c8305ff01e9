"""What goes together in normals: combinations of intensities that nobody has stand out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from d24fad_core.comparison.normal_stack import PlacedStudy
from d24fad_core.contrasts.joint_file import load_joint, save_joint
from d24fad_core.contrasts.joint_intensities import JointNormals, highest_of_normals, join_normals

SPACING = (4.0, 4.0, 4.0)
SHAPE = (30, 10, 9)
TISSUES = torch.tensor([[1.0, 1.0], [1.3, 0.7], [0.3, 2.5]])
"""Intensity of each tissue in two contrasts."""
LEVEL = 4.0


def person(seed: int, shift: int = 0) -> Tensor:
    """(C, X, Y, Z): slabs of three tissues, noise, 0 outside."""
    generator = torch.Generator().manual_seed(seed)
    slabs = (torch.arange(SHAPE[0]) + shift).div(10, rounding_mode="floor").clamp(0, 2)
    scan = TISSUES[slabs].T[:, :, None, None].repeat(1, 1, SHAPE[1], SHAPE[2])
    scan += 0.02 * torch.randn(scan.shape, generator=generator)
    scan[:, 0] = scan[:, -1] = 0.0
    return scan


def placed(scan: Tensor) -> list[PlacedStudy]:
    return [PlacedStudy(contrast, contrast > 0) for contrast in scan]


@pytest.fixture(scope="module")
def people() -> Tensor:
    return torch.stack([person(seed, shift=seed % 2) for seed in range(4)])


@pytest.fixture(scope="module")
def normals(people: Tensor) -> JointNormals:
    return join_normals(people, SPACING, LEVEL)[0]


def test_what_is_normal_in_each_contrast_may_be_normal_in_no_combination(
    normals: JointNormals,
) -> None:
    scan = person(9)
    scan[0, 6:8, 4:7, 3:6] = TISSUES[0, 0]
    scan[1, 6:8, 4:7, 3:6] = TISSUES[2, 1]
    scores = normals.scores(normals.distances(placed(scan)))
    lesion = scores[6:8, 4:7, 3:6].clone()
    scores[6:8, 4:7, 3:6] = 0.0
    assert lesion.min() > 1.5 * scores.max()


def test_a_border_that_lies_otherwise_within_reach_is_no_worse(normals: JointNormals) -> None:
    """Two voxels of 4 mm are within it, four are beyond."""

    def highest(folded: int) -> float:
        scan = person(9)
        scan[:, 10 : 10 + folded, 4:7, 3:6] = TISSUES[0][:, None, None, None]
        return float(normals.scores(normals.distances(placed(scan))).max())

    assert highest(2) < 2.0 * LEVEL
    assert highest(4) > 4.0 * LEVEL


def test_another_gain_and_offset_change_little(normals: JointNormals) -> None:
    scan = person(9)
    other = torch.stack([1.7 * scan[0] + 0.1 * (scan[0] > 0), 0.6 * scan[1]])
    one, two = (normals.distances(placed(each)) for each in (scan, other))
    np.testing.assert_allclose(one, two, atol=0.3)


def test_normals_reach_the_level_in_the_share_of_voxels_that_thresholds_mean(
    people: Tensor,
) -> None:
    normals, distances = join_normals(people, SPACING, LEVEL)
    scores = normals.scores(distances)
    assert highest_of_normals(scores[distances > 0]) == pytest.approx(LEVEL, rel=1e-4)
    assert float(scores[distances > 0].mean()) == pytest.approx(0.0, abs=1e-4)


def test_nothing_is_said_where_a_contrast_shows_nothing(normals: JointNormals) -> None:
    scan = person(9)
    scan[1, :, :3] = 0.0
    scores = normals.scores(normals.distances(placed(scan)))
    assert not scores[:, :3].any() and not scores[0].any()
    assert scores[1:-1, 3:].all()


def test_a_file_gives_the_same_normals_again(normals: JointNormals, tmp_path: Path) -> None:
    path = tmp_path / "normals.safetensors"
    save_joint(normals, path)
    again = load_joint(path)
    assert again is not None
    scan = placed(person(9))
    first, second = (each.scores(each.distances(scan)) for each in (normals, again))
    torch.testing.assert_close(first, second)
    path.write_bytes(path.read_bytes()[:100])
    assert load_joint(path) is None
    assert load_joint(tmp_path / "none.safetensors") is None
