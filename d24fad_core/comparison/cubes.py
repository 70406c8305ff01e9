"""Sums, means and maxima over cubes of voxels, axis by axis: three passes of a few steps each.

PyTorch's pooling looks at every voxel of each cube, 343 of them where this takes nine steps.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_AXES = (-3, -2, -1)


def cube_maxima(values: Tensor, width: int) -> Tensor:
    """The largest value in the cube around each voxel, as far as it lies on the grid.

    Args:
        values: (..., X, Y, Z).
        width: odd side of the cube in voxels.

    Returns:
        (..., X, Y, Z).
    """
    padded = F.pad(values, (width // 2,) * 6, value=-torch.inf)
    for axis in _AXES:
        padded = _combined(padded, width, axis, torch.maximum)
    return padded


def cube_opening(values: Tensor, width: int) -> Tensor:
    """What remains of high places that hold a whole cube: a grey-scale opening.

    Args:
        values: (..., X, Y, Z).
        width: odd side of the cube in voxels.

    Returns:
        (..., X, Y, Z), nowhere more than the values.
    """
    return cube_maxima(-cube_maxima(-values, width), width)


def cube_sums(values: Tensor, width: int) -> Tensor:
    """The sum over each cube that lies wholly on the grid.

    Args:
        values: (..., X, Y, Z).
        width: side of the cube in voxels.

    Returns:
        (..., X - width + 1, Y - width + 1, Z - width + 1).
    """
    for axis in _AXES:
        values = _combined(values, width, axis, torch.add)
    return values


def cube_means(values: Tensor, width: int) -> Tensor:
    """The mean over the cube around each voxel, as far as it lies on the grid.

    Args:
        values: (X, Y, Z).
        width: odd side of the cube in voxels.

    Returns:
        (X, Y, Z).
    """
    margin = (width // 2,) * 6
    voxels = cube_sums(F.pad(torch.ones_like(values), margin), width)
    return cube_sums(F.pad(values, margin), width) / voxels


def _combined(
    values: Tensor, width: int, axis: int, combine: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Combine `width` values in a row, from the powers of two that the width is made of."""
    result, covered = None, 0
    power, span = values, 1
    while True:
        if width & span:
            part = power.narrow(axis, covered, values.shape[axis] - width + 1)
            result = part if result is None else combine(result, part)
            covered += span
        if 2 * span > width:
            break
        longer = power.shape[axis] - span
        power = combine(power.narrow(axis, 0, longer), power.narrow(axis, span, longer))
        span *= 2
    if result is None:
        raise ValueError(f"a cube of {width} voxels a side holds nothing; give at least one.")
    return result
