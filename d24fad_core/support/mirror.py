"""The mirror image of a study: the sides of a head are alike, and each is the other's normal.

Radiologists compare them; no other normal has the person's own anatomy and the scan's own
contrast.
"""

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.support.registration import coarse_to_fine, optimised, registration
from d24fad_core.support.rigid import rigid_starts

_LEFT_TO_RIGHT = 0
_SHRINK = 2
# In voxels: the plane between the sides need not be the middle of the grid, nor upright.
_FIRST_STEP = 1.0
_LEAST_STEP = 0.01
_ROUNDS = 60
_OUTSIDE = 0.004
"""Interpolation leaves less than this just outside a head."""


def mirror_image(study: Tensor) -> Tensor:
    """The mirror image of a study, laid upon it.

    Args:
        study: (X, Y, Z), x from left to right, 0 outside.

    Returns:
        (X, Y, Z) on the same grid, 0 outside; moved rigidly so that it correlates best.
    """
    fixed = _image(study)
    moving = _image(study.flip(_LEFT_TO_RIGHT))
    coarse, other = (sitk.BinShrink(image, [_SHRINK] * 3) for image in (fixed, moving))
    start = rigid_starts(coarse, other)[-1]
    method = registration(step=_FIRST_STEP, least_step=_LEAST_STEP, rounds=_ROUNDS)
    coarse_to_fine(method)
    transform = optimised(method, coarse, other, start) or start
    laid: NDArray[np.float32] = sitk.GetArrayFromImage(
        sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0)
    )
    values = torch.from_numpy(laid)
    return values * (values > _OUTSIDE)


def _image(volume: Tensor) -> sitk.Image:
    return sitk.GetImageFromArray(np.ascontiguousarray(volume.numpy(), dtype=np.float32))
