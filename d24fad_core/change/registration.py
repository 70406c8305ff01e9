"""Laying the prior on the case: rigidly, since both show one person.

Coarsely on whatever both show: the squared correlation of intensities is maximised, so that gain
and offset play no part. Studies of one scanner lie near each other in its coordinates, so the
search starts there and, as a second try, from the centres of what they show. Then finely on the
part that is compared, see `refinement`.
"""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from d24fad_core.change.refinement import refine
from d24fad_core.errors import InputError
from d24fad_core.support.frame import to_simpleitk
from d24fad_core.support.registration import correlation, optimised, registration
from d24fad_core.support.rigid import rigid_starts, shrink_factors, shrunk
from d24fad_core.volumes.volume import Volume

_COARSE_MM = 4.0
_FINE_MM = 2.0


def register_prior(case: Volume, prior: Volume, inside: NDArray[np.bool_]) -> sitk.Transform:
    """The rigid transform from points of the case to points of the prior, LPS mm.

    Args:
        case: the study that is analysed.
        prior: an earlier study of the patient.
        inside: (I, J, K) boolean on the grid of the case, the part that is compared.

    Raises:
        InputError: the two nowhere overlap.
    """
    fixed, moving = shrunk(case, _COARSE_MM), shrunk(prior, _COARSE_MM)
    tries = []
    for start in rigid_starts(fixed, moving):
        method = registration(step=2.0, least_step=1e-3, rounds=60)
        transform = optimised(method, fixed, moving, start)
        if transform is not None:
            tries.append((correlation(fixed, moving, transform) ** 2, transform))
    if not tries:
        raise InputError(
            f"the prior {prior.name} could not be laid on {case.name}: they nowhere overlap",
            "check that both show the same part of the same patient.",
        )
    placed = max(tries, key=lambda one: one[0])[1]
    region = _shrunk_mask(inside, case, _FINE_MM)
    return refine(shrunk(case, _FINE_MM), shrunk(prior, _FINE_MM), placed, region)


def _shrunk_mask(inside: NDArray[np.bool_], case: Volume, voxel_mm: float) -> sitk.Image:
    image = to_simpleitk(inside.astype(np.float32), case.affine)
    return sitk.Cast(sitk.BinShrink(image, shrink_factors(case, voxel_mm)) > 0.5, sitk.sitkUInt8)
