"""The mirror image of a study: the sides of a head are alike, and each is the other's normal.

Radiologists compare them; no other normal has the person's own anatomy and the scan's own
contrast.
"""

import SimpleITK as sitk
from torch import Tensor

from d24fad_core.comparison.resampling import as_image, mirrored
from d24fad_core.support.registration import coarse_to_fine, optimised, registration
from d24fad_core.support.rigid import rigid_starts

_LEFT_TO_RIGHT = 0
_SHRINK = 2
# In voxels: the plane between the sides need not be the middle of the grid, nor upright.
_FIRST_STEP = 1.0
_LEAST_STEP = 0.01
_ROUNDS = 60


def mirror_image(study: Tensor) -> Tensor:
    """The mirror image of a study, laid upon it.

    Args:
        study: (X, Y, Z), x from left to right, 0 outside.

    Returns:
        (X, Y, Z) on the same grid, 0 outside; moved rigidly so that it correlates best.
    """
    return mirrored(study, mirror_transform(study))


def mirror_transform(study: Tensor) -> sitk.Transform:
    """The rigid transform that lays a study's mirror image upon it, see `resampling.mirrored`.

    Args:
        study: see `mirror_image`.
    """
    flipped = study.flip(_LEFT_TO_RIGHT)
    fixed, moving = (sitk.BinShrink(as_image(image), [_SHRINK] * 3) for image in (study, flipped))
    start = rigid_starts(fixed, moving)[-1]
    method = registration(step=_FIRST_STEP, least_step=_LEAST_STEP, rounds=_ROUNDS)
    coarse_to_fine(method)
    return optimised(method, fixed, moving, start) or start
