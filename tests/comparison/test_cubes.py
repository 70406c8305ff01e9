"""Sums, means and maxima over cubes, beside PyTorch's own pooling."""

import pytest
import torch
import torch.nn.functional as F

from d24fad_core.comparison.cubes import cube_maxima, cube_means, cube_opening, cube_sums


def values(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("width", [1, 3, 5, 7])
def test_maxima_are_those_of_pooling_up_to_the_border(width: int) -> None:
    volume = values(9, 8, 11)
    pooled = F.max_pool3d(volume[None, None], width, 1, width // 2)[0, 0]
    assert torch.equal(cube_maxima(volume, width), pooled)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 7])
def test_sums_are_those_of_pooling(width: int) -> None:
    volumes = values(2, 9, 8, 11)
    pooled = F.avg_pool3d(volumes, width, 1) * width**3
    torch.testing.assert_close(cube_sums(volumes, width), pooled, rtol=1e-5, atol=1e-4)


def test_means_at_the_border_are_over_what_the_grid_has() -> None:
    volume = values(9, 8, 11)
    pooled = F.avg_pool3d(volume[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
    torch.testing.assert_close(cube_means(volume, 3), pooled)


def test_a_cube_without_voxels_is_refused() -> None:
    with pytest.raises(ValueError, match="give at least one"):
        cube_sums(values(3, 3, 3), 0)


def test_an_opening_keeps_what_holds_a_cube() -> None:
    volume = torch.zeros(12, 12, 12)
    volume[2:5, 2:5, 2:5] = 1.0
    volume[8:10, 2:11, 2:11] = 2.0
    volume[0, 11, 11] = 3.0
    opened = cube_opening(volume, 3)
    assert bool((opened <= volume).all())
    torch.testing.assert_close(opened[2:5, 2:5, 2:5], torch.ones(3, 3, 3))
    assert float(opened.sum()) == 27.0, "two voxels are too thin"
