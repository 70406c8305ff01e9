"""Where the voxels of a real brain lie in MNI space, by a deformable registration.

What places are measured against must not come from the registration that is measured. This one
uses the T1 of ICBM152 instead of its tissues, mutual information instead of correlation, moments
instead of boxes to begin with, and lets every part of the brain move by itself after the affine
part (symmetric demons), so that it follows sulci and ventricles that no affine transform can.
"""

from functools import lru_cache

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.comparison.deformation import symmetric_demons
from d24fad_core.support.frame import to_simpleitk
from d24fad_core.volumes.reduction import block_means, reduced_affine
from d24fad_core.volumes.volume import Volume

_SPACING_MM = 3.0
_BINS = 32
_SAMPLED = 0.2
_LIGHT_MM = 30.0
_STEPS = 60
_SMOOTH_VOXELS = 1.3
_LPS = np.array([-1.0, -1.0, 1.0])


def register_deformably(brain: Volume) -> sitk.Transform:
    """The transform from points of a brain to points of ICBM152, LPS mm.

    Args:
        brain: T1 of a brain without its head, 0 outside.
    """
    factors = np.maximum(np.rint(_SPACING_MM / np.array(brain.spacing)), 1).astype(int)
    first, second, third = (int(factor) for factor in factors)
    array = block_means(brain.array, (first, second, third))
    affine = reduced_affine(brain.affine, (first, second, third))
    fixed = to_simpleitk(_flattened(array), affine)
    template = _template()
    linear = _affine(fixed, template)
    moved = sitk.Resample(template, fixed, linear, sitk.sitkLinear, 0.0)
    demons = symmetric_demons(_STEPS, _SMOOTH_VOXELS)
    field = demons.Execute(fixed, sitk.HistogramMatching(moved, fixed, 128, 10))
    deformation = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    return sitk.CompositeTransform([linear, deformation])


def mni_places(transform: sitk.Transform, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 3) in RAS mm, brought to MNI mm."""
    moved = [transform.TransformPoint(point) for point in (places * _LPS).tolist()]
    result: NDArray[np.float64] = np.array(moved) * _LPS
    return result


def _affine(fixed: sitk.Image, template: sitk.Image) -> sitk.AffineTransform:
    inside = sitk.Cast(fixed > 0.1, sitk.sitkUInt8)
    transform = sitk.AffineTransform(
        sitk.CenteredTransformInitializer(
            sitk.Cast(inside, sitk.sitkFloat32),
            sitk.Cast(template > 0.1, sitk.sitkFloat32),
            sitk.AffineTransform(3),
            sitk.CenteredTransformInitializerFilter.MOMENTS,
        )
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricFixedMask(sitk.BinaryDilate(inside, [2] * 3))
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(_SAMPLED, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetNumberOfThreads(1)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 60)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2.0, 1.0])
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, template)
    return transform


@lru_cache(maxsize=1)
def _template() -> sitk.Image:
    # nilearn takes seconds to import.
    from nilearn.datasets import load_mni152_template

    image = load_mni152_template(resolution=1)
    factors = (3, 3, 3)
    array = block_means(np.asarray(image.dataobj, np.float32), factors)
    return to_simpleitk(
        _flattened(array), reduced_affine(np.asarray(image.affine, np.float64), factors)
    )


def _flattened(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """A brain without what its coil lights more, its mean 1; 0 outside."""
    inside = array > 0.1 * np.percentile(array, 99)
    sigma = _LIGHT_MM / _SPACING_MM
    light = ndimage.gaussian_filter(np.where(inside, array, 0.0), sigma)
    share = ndimage.gaussian_filter(inside.astype(np.float32), sigma)
    flat = np.where(inside, array * share / np.maximum(light, 1e-6), 0.0)
    return flat.astype(np.float32)
