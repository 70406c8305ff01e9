"""Grids in another order of their voxels."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import volumes
from D24FADSlicerLib.logic.grids import on_grid, reordering
from D24FADSlicerLib.logic.volume_file import VolumeData

SHAPE = (3, 4, 5)
"""Along I, J and K."""


def turned(order: tuple[int, ...], flips: tuple[bool, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """From an index of the target to one of the source, and the target's shape."""
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for axis, (source, flipped) in enumerate(zip(order, flips, strict=True)):
        matrix[source, axis] = -1 if flipped else 1
        if flipped:
            matrix[source, 3] = SHAPE[source] - 1
    return matrix, tuple(SHAPE[source] for source in order)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("flips", list(product([False, True], repeat=3)))
def test_every_voxel_stays_at_its_place(order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    affine = volumes.GRIDS["oblique"]
    array = np.random.default_rng(1).normal(size=SHAPE[::-1])
    matrix, shape = turned(order, flips)
    moved = on_grid(VolumeData(array, affine), affine @ matrix, shape)
    assert moved is not None
    assert moved.array.shape == shape[::-1]
    for index in np.ndindex(*shape):
        i, j, k, _ = np.round(matrix @ [*index, 1]).astype(int)
        assert moved.array[index[::-1]] == array[k, j, i]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_voxels_follow_their_array_in_its_order(order: tuple[int, ...]) -> None:
    affine = volumes.GRIDS["sagittal"]
    array = np.random.default_rng(2).uniform(size=SHAPE[::-1]) > 0.6
    matrix, shape = turned(order, (True, False, True))
    way = reordering(affine, SHAPE, affine @ matrix, shape)
    assert way is not None
    np.testing.assert_array_equal(way.voxels(np.argwhere(array)), np.argwhere(way.array(array)))


@pytest.mark.parametrize("what", ["shifted", "scaled", "cropped", "rotated"])
def test_other_voxels_are_no_reordering(what: str) -> None:
    affine, shape = volumes.GRIDS["plain"], SHAPE
    other = affine.copy()
    if what == "shifted":
        other[0, 3] += 0.5
    elif what == "scaled":
        other[:3, :3] *= 1.02
    elif what == "cropped":
        shape = (3, 4, 4)
    else:
        other[:3, :3] = volumes.rotation(0, 3) @ other[:3, :3]
    assert reordering(affine, SHAPE, other, shape) is None
