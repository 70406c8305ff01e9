"""Moving studies on the common grid, whose unit is the voxel."""

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from torch import Tensor

_LEFT_TO_RIGHT = 0
_OUTSIDE = 0.004
"""Interpolation leaves less than this just outside a head."""


def as_image(volume: Tensor) -> sitk.Image:
    """A volume, (X, Y, Z), with voxels of size 1; SimpleITK names its axes in reverse order."""
    return sitk.GetImageFromArray(np.ascontiguousarray(volume.numpy(), dtype=np.float32))


def resampled(volume: Tensor, transform: sitk.Transform) -> Tensor:
    """A volume moved on its own grid, (X, Y, Z), 0 outside.

    Args:
        volume: (X, Y, Z), 0 outside.
        transform: from the result's places to the volume's.
    """
    image = as_image(volume)
    moved: NDArray[np.float32] = sitk.GetArrayFromImage(
        sitk.Resample(image, image, transform, sitk.sitkLinear, 0.0)
    )
    # In NumPy: a second thread must not compute with PyTorch, see `side_by_side`.
    return torch.from_numpy(moved * (moved > _OUTSIDE))


def mirrored(volume: Tensor, transform: sitk.Transform) -> Tensor:
    """The mirror image of a volume, (X, Y, Z) with x from left to right, moved on its own grid.

    Args:
        volume: 0 outside.
        transform: from `support.mirror.mirror_transform`.
    """
    return resampled(volume.flip(_LEFT_TO_RIGHT), transform)
