"""Bringing two studies to the coarser resolution of both, on one grid.

A voxel shows the mean of what is in it, a box whose spread along each of its axes is its size over
the root of 12. What the spread of the other study exceeds that of a study by, in each direction of
space, the study is blurred by; then thick slices meet thick slices.
"""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.support.frame import from_simpleitk, grid_image, to_simpleitk
from d24fad_core.volumes.volume import Volume

_BOX_VARIANCE = 1.0 / 12.0
_LPS = np.diag([-1.0, -1.0, 1.0])


def blurred_to(study: Volume, other: Volume, turn: NDArray[np.float64]) -> NDArray[np.float32]:
    """A study, blurred where another is coarser.

    Args:
        study: what is blurred.
        other: what it is to be no finer than.
        turn: 3x3 rotation from directions of `other` to directions of `study`, RAS.

    Returns:
        (I, J, K) on the grid of `study`.
    """
    own = _spread(study.affine)
    target = turn @ _spread(other.affine) @ turn.T
    values, vectors = np.linalg.eigh(target - own)
    missing = vectors @ np.diag(np.maximum(values, 0.0)) @ vectors.T
    axes = study.affine[:3, :3] / np.array(study.spacing)
    along = np.einsum("ia,ij,ja->a", axes, missing, axes)
    return blurred(study.array, np.sqrt(np.maximum(along, 0.0)), study.spacing)


def _spread(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """3x3 covariance in space, mm², of the box that a voxel is."""
    spread: NDArray[np.float64] = _BOX_VARIANCE * affine[:3, :3] @ affine[:3, :3].T
    return spread


def blurred(
    array: NDArray[np.float32],
    sigma_mm: NDArray[np.float64] | float,
    spacing: tuple[float, float, float],
) -> NDArray[np.float32]:
    """A Gaussian blur of so many mm along each axis; none where that is a small part of a voxel."""
    sigmas = np.broadcast_to(sigma_mm, 3) / np.array(spacing)
    result = array
    for axis, sigma in enumerate(sigmas):
        if sigma > 0.2:
            result = ndimage.gaussian_filter1d(result, sigma, axis, mode="nearest", truncate=3.0)
    return result


def rotation_of(transform: sitk.Transform) -> NDArray[np.float64]:
    """The 3x3 matrix of a rigid transform, RAS."""
    matrix = np.array(sitk.Euler3DTransform(transform).GetMatrix()).reshape(3, 3)
    result: NDArray[np.float64] = _LPS @ matrix @ _LPS
    return result


def resampled(
    array: NDArray[np.float32],
    affine: NDArray[np.float64],
    shape: tuple[int, int, int],
    onto: NDArray[np.float64],
    transform: sitk.Transform,
    *,
    outside: float,
    smooth: bool = True,
) -> NDArray[np.float32]:
    """An array on another grid.

    Args:
        array: (I, J, K).
        affine: of the array, RAS.
        shape: voxels of the new grid.
        onto: affine of the new grid, RAS.
        transform: from points of the new grid to points of the array's, LPS mm.
        outside: value beyond the array.
        smooth: by cubic splines, which blur little; otherwise linearly.
    """
    return from_simpleitk(
        sitk.Resample(
            to_simpleitk(array, affine),
            grid_image(shape, onto),
            transform,
            sitk.sitkBSpline if smooth else sitk.sitkLinear,
            outside,
        )
    )
