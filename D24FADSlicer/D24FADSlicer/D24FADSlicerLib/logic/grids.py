"""One volume in two orders of its voxels: Slicer and the server may read a series differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .volume_file import VolumeData

_ROUNDING = 0.1
_SAME_PLACE_MM = 0.1


@dataclass(frozen=True)
class Reordering:
    """How the voxels of one grid are those of another, in another order.

    Attributes:
        source_axes: for each axis (i, j, k) of the target the axis of the source that runs along.
        flipped: for each axis of the target, whether it runs against that of the source.
        shape: voxels of the target along I, J and K.
    """

    source_axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    shape: tuple[int, int, int]

    def array(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array of shape (K, J, I) in the target's order."""
        moved = array.transpose(2, 1, 0).transpose(self.source_axes)
        steps = tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flipped)
        return np.ascontiguousarray(moved[steps].transpose(2, 1, 0))

    def voxels(self, voxels: NDArray[Any]) -> NDArray[np.int64]:
        """Voxels (k, j, i) of the source as those of the target, in the order of its array."""
        moved = np.asarray(voxels)[:, ::-1][:, list(self.source_axes)]
        ends = np.asarray(self.shape) - 1
        moved = np.where(self.flipped, ends - moved, moved)[:, ::-1]
        return np.asarray(moved[np.lexsort(moved.T[::-1])], dtype=np.int64)


def reordering(
    source: NDArray[np.float64],
    source_shape: tuple[int, ...],
    target: NDArray[np.float64],
    target_shape: tuple[int, ...],
) -> Reordering | None:
    """How a grid's voxels are those of another.

    Args:
        source: 4x4 matrix from voxel index to RAS mm.
        source_shape: voxels along I, J and K.
        target: the same of the other grid.
        target_shape: the same of the other grid.

    Returns:
        The way from source to target; None where they are not the same voxels, to a tenth of a
        mm at every corner.
    """
    between = np.linalg.inv(source) @ target
    turned = np.round(between[:3, :3])
    is_permutation = bool((np.abs(turned).sum(axis=0) == 1).all()) and bool(
        (np.abs(turned).sum(axis=1) == 1).all()
    )
    if not is_permutation or np.abs(between[:3, :3] - turned).max() > _ROUNDING:
        return None
    axes = np.abs(turned).argmax(axis=0)
    signs = turned[axes, np.arange(3)]
    if tuple(target_shape) != tuple(source_shape[axis] for axis in axes):
        return None
    start = np.zeros(3)
    for axis, sign in zip(axes, signs):
        start[axis] = source_shape[axis] - 1 if sign < 0 else 0
    expected = np.eye(4)
    expected[:3, :3], expected[:3, 3] = turned, start
    off = (source @ expected - target) @ _corners(target_shape)
    if np.abs(off).max() > _SAME_PLACE_MM:
        return None
    return Reordering(
        (int(axes[0]), int(axes[1]), int(axes[2])),
        (bool(signs[0] < 0), bool(signs[1] < 0), bool(signs[2] < 0)),
        (int(target_shape[0]), int(target_shape[1]), int(target_shape[2])),
    )


def _corners(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The corner voxels of a grid as columns (i, j, k, 1)."""
    ends = [(0.0, size - 1.0) for size in shape]
    return np.asarray([[i, j, k, 1.0] for i in ends[0] for j in ends[1] for k in ends[2]]).T


def on_grid(
    data: VolumeData, affine: NDArray[np.float64], shape: tuple[int, ...]
) -> VolumeData | None:
    """A volume in the order of another grid; None where it is not the same voxels."""
    way = reordering(data.affine, data.array.shape[::-1], affine, shape)
    return None if way is None else VolumeData(way.array(data.array), np.asarray(affine))
