"""Aligning a support study to a query with SimpleITK."""

import numpy as np
import SimpleITK as sitk

from d24fad_core.data.volume import Volume
from d24fad_core.errors import SupportError

_SEED = 20260101
_SAMPLED_SHARE = 0.05
_BINS = 50


def register_to(query: Volume, study: Volume) -> Volume:
    """Resample a support study onto the query's grid after rigid, then affine registration.

    Mutual information (Mattes), so that contrast may differ; a fixed seed and one thread, so that
    the same pair gives the same alignment.

    Raises:
        SupportError: the two do not overlap, or the optimiser fails.
    """
    fixed, moving = _image(query), _image(study)
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.GEOMETRY
    )
    try:
        rigid = _optimise(fixed, moving, sitk.Euler3DTransform(start))
        affine = sitk.AffineTransform(3)
        affine.SetMatrix(rigid.GetMatrix())
        affine.SetTranslation(rigid.GetTranslation())
        affine.SetCenter(rigid.GetCenter())
        aligned = _optimise(fixed, moving, affine)
    except RuntimeError as error:
        raise SupportError(
            f"support study {study.name} could not be registered to {query.name} (their contents "
            "do not overlap); leave out registration or choose another study."
        ) from error
    background = float(study.array.min())
    resampled = sitk.Resample(moving, fixed, aligned, sitk.sitkLinear, background)
    array = np.transpose(sitk.GetArrayFromImage(resampled), (2, 1, 0)).astype(np.float32)
    return Volume(array, query.affine, study.modality, study.name, study.modality_source)


def _optimise(fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform) -> sitk.Transform:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(_SAMPLED_SHARE, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, 200)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2.0, 1.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetNumberOfThreads(1)
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    return start


def _image(volume: Volume) -> sitk.Image:
    """The volume as a SimpleITK image, which is LPS."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.transpose(volume.array, (2, 1, 0))))
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    spacing = np.array(volume.spacing)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).flatten().tolist())
    return image
