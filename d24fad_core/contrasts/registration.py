"""Laying the contrasts of one person on each other: rigidly, by mutual information."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from d24fad_core.errors import InputError
from d24fad_core.support.registration import (
    across_contrasts,
    coarse_to_fine,
    optimised,
    registration,
)
from d24fad_core.support.rigid import rigid_starts, shrunk
from d24fad_core.volumes.volume import Volume

_COARSE_MM = 4.0
_FINE_MM = 2.0
_SHOWN = 0.1
"""Of the usual range of intensities; what is darker is taken for air."""


@dataclass(frozen=True, eq=False)
class LaidContrast:
    """Where another contrast of the same person lies.

    Attributes:
        to_other: rigid transform from points of the reference to points of the other, LPS mm.
        overlap: share of what the reference shows that the other shows too.
    """

    to_other: sitk.Transform
    overlap: float


def lay_contrast(reference: Volume, other: Volume) -> LaidContrast:
    """Find where another contrast of the same person lies.

    Args:
        reference: the contrast that the results lie on.
        other: another one, on whatever grid.

    Raises:
        InputError: the two nowhere overlap.
    """
    fixed, moving = shrunk(reference, _COARSE_MM), shrunk(other, _COARSE_MM)
    tries = []
    for start in rigid_starts(fixed, moving):
        method = registration(step=2.0, least_step=1e-3, rounds=60)
        across_contrasts(method)
        transform = optimised(method, fixed, moving, start)
        if transform is not None:
            tries.append((method.GetMetricValue(), transform))
    if not tries:
        raise InputError(
            f"{other.name} could not be laid on {reference.name}: they nowhere overlap",
            "check that both show the same part of the same person.",
        )
    placed = min(tries, key=lambda one: one[0])[1]
    fixed, moving = shrunk(reference, _FINE_MM), shrunk(other, _FINE_MM)
    method = registration(step=0.5, least_step=1e-3, rounds=60)
    across_contrasts(method)
    coarse_to_fine(method)
    refined = optimised(method, fixed, moving, placed)
    transform = placed if refined is None else refined
    return LaidContrast(transform, _overlap(fixed, moving, transform))


def _overlap(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    body = sitk.GetArrayViewFromImage(fixed) > _SHOWN
    laid = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0)
    both = body & (sitk.GetArrayViewFromImage(laid) > _SHOWN)
    return float(np.count_nonzero(both) / max(np.count_nonzero(body), 1))
