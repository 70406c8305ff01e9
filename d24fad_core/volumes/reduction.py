"""The grid of a scan that is reduced while it is read, and the way back to it.

Blocks of neighbouring voxels become one voxel with their mean. The network sees about 128 pixels a
side, so a scan of a thousand voxels a side loses nothing that it would have seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_WHOLE_SCAN = 2**28
"""Voxels up to which a scan is analysed as it is: 512 x 512 x 1024, as long as a CT of the whole
body; as float32 they take 1 GiB, and an analysis holds several copies."""

# A cube just above the limit keeps at least 256 voxels a side, twice the network's pixels.
_SHARE_KEPT = 8


@dataclass(frozen=True, eq=False)
class Reduction:
    """How a scan was reduced.

    Attributes:
        shape: voxels of the source along each array axis.
        affine: 4x4 matrix from the source's voxel index to RAS mm.
        factors: voxels of the source that one voxel spans, along each array axis. The last block
            of an axis has fewer where its length is no multiple of the factor.
        content_hash: of the source, as `Volume.content_hash` would give it.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    factors: tuple[int, int, int]
    content_hash: str

    def __str__(self) -> str:
        return " x ".join(str(factor) for factor in self.factors)

    def first_voxels(self, axis: int) -> NDArray[np.int64]:
        """Index of the first source voxel of each block along an axis."""
        return np.arange(0, self.shape[axis], self.factors[axis])

    def last_voxels(self, axis: int) -> NDArray[np.int64]:
        """Index of the last source voxel of each block along an axis."""
        return np.append(self.first_voxels(axis)[1:], self.shape[axis]) - 1

    def block_lengths(self, axis: int) -> NDArray[np.int64]:
        """How many source voxels each block spans along an axis."""
        return self.last_voxels(axis) - self.first_voxels(axis) + 1

    def middle_voxel(self, axis: int, block: int) -> int:
        """Index of a source voxel in the middle of a block, the lower of two."""
        return int(self.first_voxels(axis)[block] + self.last_voxels(axis)[block]) // 2

    def source_slices(self, array: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """The slices of the source along its last axis; each voxel has its block's value.

        Args:
            array: on the reduced grid.

        Yields:
            (I, J), in Fortran order.
        """
        for block, repeats in enumerate(self.block_lengths(2)):
            rows = np.repeat(array[:, :, block], self.block_lengths(0), axis=0)
            layer = np.asfortranarray(np.repeat(rows, self.block_lengths(1), axis=1))
            for _ in range(repeats):
                yield layer


def choose_factors(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], largest: int
) -> tuple[int, int, int]:
    """How many voxels to average along each axis of a scan of more than `largest` voxels.

    The axis with the smallest voxels is reduced further until an eighth of `largest` is reached,
    so that voxels become as even-sided as may be; 2 are left along every axis.

    Args:
        shape: voxels along each axis, at least 2.
        spacing: their size in mm.
        largest: voxels up to which a scan stays as it is.
    """
    lengths, sizes = np.array(shape), np.array(spacing)
    factors = np.ones(3, dtype=np.int64)
    while np.prod(-(-lengths // factors)) > largest / _SHARE_KEPT:
        able = -(-lengths // (factors + 1)) >= 2
        if not able.any():
            break
        factors[np.argmin(np.where(able, sizes * factors, np.inf))] += 1
    return int(factors[0]), int(factors[1]), int(factors[2])


def reduced_affine(
    affine: NDArray[np.float64], factors: tuple[int, int, int]
) -> NDArray[np.float64]:
    """The affine of the grid of block centres."""
    to_source = np.diag([*map(float, factors), 1.0])
    to_source[:3, 3] = (np.array(factors) - 1) / 2.0
    result: NDArray[np.float64] = affine @ to_source
    return result


def block_means(array: NDArray[np.float32], factors: tuple[int, int, int]) -> NDArray[np.float32]:
    """The mean of each block of voxels; the last block of an axis may be smaller.

    Args:
        array: (I, J, K).
        factors: voxels of a block along each axis.

    Returns:
        float32, in Fortran order.
    """
    # From the last axis, along which neighbours lie farthest apart, whole slices are added.
    for axis in (2, 1, 0):
        factor = factors[axis]
        moved = np.moveaxis(array, axis, 0)
        total = moved[::factor].astype(np.float32, order="K")
        for offset in range(1, factor):
            part = moved[offset::factor]
            total[: len(part)] += part
        total[: len(moved) // factor] /= factor
        total[len(moved) // factor :] /= max(len(moved) % factor, 1)
        array = np.moveaxis(total, 0, axis)
    return np.asfortranarray(array)
