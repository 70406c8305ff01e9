"""The second generator: real shapes and places of MS lesions, mapped into a person and darkened.

The masks are consensus segmentations in MNI space (Lesjak et al., Neuroinformatics 2017). They
are brought into a person by an affine registration of the ICBM average brain. How dark a lesion is
on T1 is drawn for each case and varied from lesion to lesion, since T1 shows some lesions of FLAIR
as holes and others hardly.
"""

from functools import lru_cache
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.people.cohorts import Study
from benchmarks.people.lesions.anatomy import Anatomy, Array
from benchmarks.people.lesions.canvas import Canvas
from benchmarks.people.lesions.pathology import PlantedStudy, finish
from d24fad_core.errors import InputError
from d24fad_core.regions import label_regions
from d24fad_core.support.frame import to_simpleitk

MASKS = "ms_lesion_masks"
PATIENTS = (7, 16, 17, 18, 20, 21, 22, 23, 24, 25, 27, 28, 29, 30)
"""Patients whose lesions only ever test; the others may teach."""

KIND = "real plaques"
_DEPTH = (0.2, 0.7)
_SMALLEST_ML = 0.1
_COARSE_MM = 3.0


def plant_plaques(
    study: Study,
    anatomy: Anatomy,
    to_average: sitk.Transform,
    shared: Path,
    rng: np.random.Generator,
) -> PlantedStudy:
    """Plant the lesions of one patient.

    Args:
        study: the person.
        anatomy: what `analyse` says of the study.
        to_average: what `register_average_brain` says of it.
        shared: the folder of shared volumes.
        rng: draws patient and depth.

    Raises:
        InputError: no patient's lesions lie inside the person's brain.
    """
    for patient in rng.permutation(PATIENTS):
        share = _mapped(shared / MASKS / f"patient{patient:02d}.nii.gz", study, to_average)
        canvas = Canvas(anatomy, rng)
        _darken(canvas, anatomy, share[anatomy.box])
        planted = finish(study, anatomy, canvas, KIND)
        if planted.mask.sum() * anatomy.voxel_ml >= _SMALLEST_ML:
            return planted
    raise InputError(
        f"{study.volume.name}: no patient's lesions lie inside the brain",
        "check that the mask is a brain and the affine is right.",
    )


def _darken(canvas: Canvas, anatomy: Anatomy, share: Array) -> None:
    """Bring the signal of each lesion toward that of fluid by a depth of its own."""
    fluid, _, white = anatomy.levels
    tissue: Array = share * (1 - anatomy.fluid)
    inside = tissue * anatomy.brain
    labels = label_regions(inside > 0.05)
    depth = float(canvas.rng.uniform(*_DEPTH))
    own = np.clip(depth * canvas.rng.uniform(0.6, 1.4, int(labels.max()) + 1), 0.1, 0.95)
    target = white - own[labels] * (white - fluid)
    # What is darker already stays.
    canvas.paint(inside, np.minimum(target, canvas.signal).astype(np.float32), unevenness=0.03)


def _mapped(path: Path, study: Study, to_average: sitk.Transform) -> Array:
    """Share of each voxel of a study inside a patient's lesions."""
    image = nibabel.load(path)
    lesions = np.asarray(image.dataobj, dtype=np.float32)
    # Larger voxels hold more of a lesion's surroundings.
    sigma = np.sqrt(np.maximum(np.array(study.volume.spacing) ** 2 - 1, 0) / 12)
    lesions = ndimage.gaussian_filter(lesions, float(sigma.mean()))
    grid = to_simpleitk(study.volume.array, study.volume.affine)
    mapped = sitk.Resample(
        to_simpleitk(lesions, image.affine), grid, to_average, sitk.sitkLinear, 0.0
    )
    values: Array = sitk.GetArrayFromImage(mapped).transpose(2, 1, 0)
    return values


def register_average_brain(study: Study) -> sitk.Transform:
    """Affine transform from points of a study to points of ICBM space, LPS mm."""
    brain = np.where(study.brain, study.volume.array, 0).astype(np.float32)
    fixed = _coarse(brain, study.volume.affine)
    template, affine = _average_brain()
    moving = _coarse(template, affine)
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    transform = sitk.AffineTransform(start)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.5, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, 150)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([3.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetNumberOfThreads(1)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    return transform


@lru_cache(maxsize=1)
def _average_brain() -> tuple[Array, NDArray[np.float64]]:
    # nilearn takes seconds to import.
    from nilearn.datasets import load_mni152_template

    image = load_mni152_template(resolution=1)
    return np.asarray(image.dataobj, np.float32), np.asarray(image.affine, np.float64)


def _coarse(array: Array, affine: NDArray[np.float64]) -> sitk.Image:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    factors = np.maximum(np.round(_COARSE_MM / spacing), 1).astype(int).tolist()
    top = float(np.percentile(array[array > 0], 99))
    return sitk.BinShrink(to_simpleitk(np.clip(array / top, 0, 1), affine), factors)
