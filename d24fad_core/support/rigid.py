"""The steps of rigid registration that all its uses share."""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from d24fad_core.support.frame import to_simpleitk
from d24fad_core.volumes.volume import Volume

_PERCENTILES = (1.0, 99.5)
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def rigid_starts(fixed: sitk.Image, moving: sitk.Image) -> list[sitk.Euler3DTransform]:
    """Where to start: as the scanner's coordinates say, and from the centres of what both show."""
    centre, other = _centre_of_mass(fixed), _centre_of_mass(moving)
    starts = []
    for shift in (np.zeros(3), other - centre):
        start = sitk.Euler3DTransform()
        start.SetCenter(centre.tolist())
        start.SetTranslation(shift.tolist())
        starts.append(start)
    return starts


def shrunk(volume: Volume, voxel_mm: float) -> sitk.Image:
    """A study with voxels of about a size, its usual range of intensities brought to 0 to 1."""
    low, high = np.percentile(volume.array[::3, ::3, ::3], _PERCENTILES)
    factors = shrink_factors(volume, voxel_mm)
    small = sitk.BinShrink(to_simpleitk(volume.array, volume.affine), factors)
    scaled = (small - float(low)) / max(float(high - low), 1e-6)
    return sitk.Clamp(scaled, sitk.sitkFloat32, 0.0, 1.0)


def shrink_factors(volume: Volume, voxel_mm: float) -> list[int]:
    """How many voxels along each axis make one of about a size."""
    ratio = np.maximum(np.round(voxel_mm / np.array(volume.spacing)), 1)
    return [int(factor) for factor in np.minimum(ratio, volume.shape)]


def rigid_matrix(
    transform: sitk.Transform,
) -> tuple[tuple[float, float, float, float], ...]:
    """A rigid transform as 4x4 matrix, RAS."""
    rigid = sitk.Euler3DTransform(transform)
    lps = np.eye(4)
    lps[:3, :3] = np.array(rigid.GetMatrix()).reshape(3, 3)
    lps[:3, 3] = rigid.TransformPoint((0.0, 0.0, 0.0))
    matrix = _LPS @ lps @ _LPS
    return tuple((float(row[0]), float(row[1]), float(row[2]), float(row[3])) for row in matrix)


def _centre_of_mass(image: sitk.Image) -> NDArray[np.float64]:
    values = sitk.GetArrayViewFromImage(image).astype(np.float64)
    total = max(float(values.sum()), 1e-9)
    index = [
        float(values.sum(axis=tuple(o for o in range(3) if o != axis)) @ np.arange(length)) / total
        for axis, length in enumerate(values.shape)
    ]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(index[::-1]))
