"""Normals in the shape of a study: what an affine alignment leaves of sulci and ventricles.

The field is found at half the resolution and smoothed, so that it follows a ventricle and not a
small lesion. Only the normals move; the study
and its map stay where they are.
"""

import SimpleITK as sitk
import torch
from torch import Tensor

from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.comparison.resampling import as_image, resampled
from d24fad_core.side_by_side import side_by_side

_SHRINK = 2
_BLUR = 1.4
_STEPS = 50
_SMOOTHNESS = 1.5
"""Of the field and of each step, in voxels of the halved resolution."""
_STEP_SMOOTHNESS = 1.0


def align_mutually(normals: NormalStack) -> NormalStack:
    """Bring normals into the shape of their mean.

    Args:
        normals: aligned affinely.

    Returns:
        The same normals in the same units, deformed; their mean is sharper.
    """
    return align_to(normals, normals.intensities.mean(0))


def align_to(normals: NormalStack, target: Tensor) -> NormalStack:
    """Bring normals into the shape of a target, (X, Y, Z), each by a field of its own."""

    def fields(part: Tensor) -> list[sitk.Image]:
        return [field_between(target, normal) for normal in part]

    half = (len(normals) + 1) // 2
    first, second = side_by_side(
        lambda: fields(normals.intensities[:half]), lambda: fields(normals.intensities[half:])
    )
    moved = [
        warped(normal[None], field)[0]
        for normal, field in zip(normals.intensities, [*first, *second], strict=True)
    ]
    return normals.with_intensities(torch.stack(moved))


def deform_to(normals: NormalStack, study: Tensor) -> NormalStack:
    """Bring mutually aligned normals into the shape of a study, all by one field.

    Args:
        normals: see `align_mutually`.
        study: (X, Y, Z) in their units, see `NormalStack.fitted`.
    """
    field = field_between(study, normals.intensities.mean(0))
    return normals.with_intensities(warped(normals.intensities, field))


def warped(volumes: Tensor, field: sitk.Image) -> Tensor:
    """Volumes, (N, X, Y, Z), moved by one field from `field_between`."""
    # The transform takes its image over.
    transform = sitk.DisplacementFieldTransform(sitk.Image(field))

    def moved(part: Tensor) -> list[Tensor]:
        return [resampled(volume, transform) for volume in part]

    half = (len(volumes) + 1) // 2
    first, second = side_by_side(lambda: moved(volumes[:half]), lambda: moved(volumes[half:]))
    return torch.stack([*first, *second])


def field_between(fixed: Tensor, moving: Tensor) -> sitk.Image:
    """Displacements in voxels, on the grid of `fixed`, into `moving` (symmetric demons).

    Args:
        fixed: (X, Y, Z), the shape to be reached.
        moving: (X, Y, Z), what is to be moved, in the same units.
    """
    whole = as_image(fixed)
    demons = symmetric_demons(_STEPS, _SMOOTHNESS, _STEP_SMOOTHNESS)
    field = demons.Execute(_coarse(whole), _coarse(as_image(moving)))
    return sitk.Resample(
        field, whole, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64
    )


def symmetric_demons(
    steps: int, smoothness: float, step_smoothness: float | None = None
) -> sitk.FastSymmetricForcesDemonsRegistrationFilter:
    """A deformable registration that gives the same field each time.

    Args:
        steps: how often the field is improved.
        smoothness: sigma of the field, in voxels.
        step_smoothness: sigma of each step, in voxels; None leaves steps as they are.
    """
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetNumberOfIterations(steps)
    demons.SetSmoothDisplacementField(True)
    demons.SetStandardDeviations(smoothness)
    if step_smoothness is not None:
        demons.SetSmoothUpdateField(True)
        demons.SetUpdateFieldStandardDeviations(step_smoothness)
    # Sums over threads differ in their last bits from run to run.
    demons.SetNumberOfThreads(1)
    return demons


def _coarse(image: sitk.Image) -> sitk.Image:
    return sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, _BLUR), [_SHRINK] * 3)
