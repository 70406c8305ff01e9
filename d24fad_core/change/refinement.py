"""The last fraction of a voxel of a rigid registration, whatever changed in between.

Robust least squares in the manner of Reuter, Rosas and Fischl (NeuroImage 2010): the difference of
the two studies is explained by a small motion, a gain and an offset; what no motion explains, such
as a lesion, loses its weight.
"""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

_BLUR_MM = 1.2
_RIM_MM = 6.0
_ROUNDS = 12
_UNWEIGHTED = 3
_ENOUGH_MM = 0.003
_LARGEST_STEP_MM = 4.0
_TUKEY = 4.685
_TO_DEVIATION = 1.4826
_SAMPLES = 150_000
_LEAST_SAMPLES = 200


def refine(
    case: sitk.Image, prior: sitk.Image, start: sitk.Euler3DTransform, region: sitk.Image
) -> sitk.Euler3DTransform:
    """A rigid transform from points of the case to points of the prior, refined.

    Args:
        case: intensities about 0 to 1.
        prior: the same of the prior, of about equal resolution.
        start: near the solution; as good as it gets where too little overlaps.
        region: 1 on the grid of the case where it is compared.
    """
    # Beyond the rim lies what masks and not the patient cut off, which would pull.
    places = np.argwhere(_depth_mm(region) > _RIM_MM)
    places = places[:: max(1, len(places) // _SAMPLES)]
    if len(places) < _LEAST_SAMPLES:
        return start
    case, prior = (sitk.SmoothingRecursiveGaussian(image, _BLUR_MM) for image in (case, prior))
    to_space = _index_matrix(case)
    points = places @ to_space[:, :3].T + to_space[:, 3]
    fixed = _array(case)
    slopes = _slopes(fixed, places, to_space)
    values = fixed[tuple(places.T)]
    transform = sitk.Euler3DTransform(start)
    reach = float(np.linalg.norm(points - points.mean(axis=0), axis=1).mean())
    for number in range(_ROUNDS):
        moved = _array(sitk.Resample(prior, case, transform, sitk.sitkLinear, 0.0))
        step = _step(
            values,
            moved[tuple(places.T)],
            slopes,
            _slopes(moved, places, to_space),
            points - np.array(transform.GetCenter()),
            weighted=number >= _UNWEIGHTED,
        )
        if step is None:
            return start
        turn, shift = step
        transform = _composed(transform, turn, shift)
        size = float(np.linalg.norm(shift) + np.linalg.norm(turn) * reach)
        if size < _ENOUGH_MM and number >= _UNWEIGHTED:
            break
    return transform


def _step(
    values: NDArray[np.float32],
    moved: NDArray[np.float32],
    slopes: NDArray[np.float64],
    moved_slopes: NDArray[np.float64],
    arms: NDArray[np.float64],
    *,
    weighted: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The motion (rotation vector, shift in mm) of the case that brings it onto the prior.

    Args:
        values: (N,) the case.
        moved: (N,) the prior there.
        slopes: (N, 3) gradients of the case in space.
        moved_slopes: (N, 3) those of the prior.
        arms: (N, 3) points from the centre of rotation.
        weighted: whether what does not fit loses its weight.

    Returns:
        None where the two have nothing in common.
    """
    overlap = moved > 0
    if np.count_nonzero(overlap) < _LEAST_SAMPLES or moved[overlap].std() == 0:
        return None
    values, moved, arms = values[overlap], moved[overlap], arms[overlap]
    gain = max(float(np.median(values)) / max(float(np.median(moved)), 1e-6), 1e-3)
    # The mean of both gradients makes the step exact to second order.
    gradients = (slopes[overlap] + gain * moved_slopes[overlap]) / 2.0
    design = np.column_stack([np.cross(arms, gradients), gradients, moved, np.ones(len(moved))])
    weights = np.ones(len(values))
    for _ in range(3 if weighted else 1):
        solution, *_ = np.linalg.lstsq(
            (design * weights[:, None]).T @ design,
            (design * weights[:, None]).T @ values,
            rcond=None,
        )
        rest = values - design @ solution
        scale = max(_TO_DEVIATION * float(np.median(np.abs(rest))), 1e-6)
        weights = np.maximum(1.0 - (rest / (_TUKEY * scale)) ** 2, 0.0) ** 2
    turn, shift = solution[:3], solution[3:6]
    length = float(np.linalg.norm(shift))
    return turn, shift * min(1.0, _LARGEST_STEP_MM / max(length, 1e-9))


def _composed(
    transform: sitk.Euler3DTransform, turn: NDArray[np.float64], shift: NDArray[np.float64]
) -> sitk.Euler3DTransform:
    """First a small motion about the centre of a transform, then the transform."""
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    small = Rotation.from_rotvec(turn).as_matrix()
    composed = sitk.Euler3DTransform()
    composed.SetCenter(transform.GetCenter())
    composed.SetMatrix((matrix @ small).ravel().tolist(), 1e-6)
    composed.SetTranslation((np.array(transform.GetTranslation()) + matrix @ shift).tolist())
    return composed


def _depth_mm(region: sitk.Image) -> NDArray[np.float64]:
    inside = np.pad(sitk.GetArrayViewFromImage(region).transpose(2, 1, 0) > 0, 1)
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(
        inside, sampling=region.GetSpacing()
    )
    return depth[1:-1, 1:-1, 1:-1]


def _array(image: sitk.Image) -> NDArray[np.float32]:
    array: NDArray[np.float32] = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    return array


def _index_matrix(image: sitk.Image) -> NDArray[np.float64]:
    """3x4 from voxel index to point."""
    directions = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    return np.column_stack([directions, image.GetOrigin()])


def _slopes(
    array: NDArray[np.float32], places: NDArray[np.int64], to_space: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, 3) gradients in space at some voxels."""
    by_index = np.stack(
        [np.gradient(array, axis=axis)[tuple(places.T)] for axis in range(3)], axis=1
    )
    slopes: NDArray[np.float64] = by_index @ np.linalg.inv(to_space[:, :3])
    return slopes
