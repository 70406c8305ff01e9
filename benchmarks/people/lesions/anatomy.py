"""What a lesion has to know of a person's brain: tissue, depth, ventricles, bias field, noise."""

from dataclasses import dataclass

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.mixture import GaussianMixture

from benchmarks.people.cohorts import Study

_FIELD_MM = 4.0
_VENTRICLE_DEPTH_MM = 22.0
_VENTRICLE_ML = 0.6
_MARGIN_MM = 4.0
_SAMPLES = 20_000

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A brain in the box around it; all arrays have the box's shape.

    Attributes:
        box: where the box lies in the study.
        spacing: voxel size, mm.
        signal: T1 signal without the bias field.
        field: the bias field; the study is `signal * field`.
        brain: True in the brain.
        fluid: share of cerebrospinal fluid, 0 to 1; grey, white: the same for the matter.
        levels: signal of fluid, grey and white matter.
        grain: deviation of the step from a voxel to the next in white matter: noise, and how
            sharp it is.
        depth: distance to the brain's surface, mm.
        to_ventricles: distance to the ventricles, mm; 0 inside.
        beside_midline: distance to the middle sagittal plane, mm, negative on the left.
        above_centre: distance to the axial plane through the brain's centre, mm.
    """

    box: tuple[slice, slice, slice]
    spacing: NDArray[np.float64]
    signal: Array
    field: Array
    brain: NDArray[np.bool_]
    fluid: Array
    grey: Array
    white: Array
    levels: tuple[float, float, float]
    grain: float
    depth: Array
    to_ventricles: Array
    beside_midline: Array
    above_centre: Array

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, ml."""
        return float(self.spacing.prod()) / 1000.0


def analyse(study: Study) -> Anatomy:
    """Segment a T1 study by its signal in the brain mask."""
    spacing = np.array(study.volume.spacing)
    box = _box(study.brain, spacing)
    raw = np.asarray(study.volume.array[box], np.float32)
    brain = study.brain[box]
    field = _bias_field(raw, brain, spacing)
    signal = (raw / field).astype(np.float32)
    levels = _levels(signal[brain])
    fluid_level, grey_level, white_level = levels
    white = np.clip((signal - grey_level) / (white_level - grey_level), 0, 1) * brain
    fluid = np.clip((grey_level - signal) / (grey_level - fluid_level), 0, 1) * brain
    depth = ndimage.distance_transform_edt(brain, sampling=spacing)
    ventricles = _ventricles(fluid, depth, float(spacing.prod()) / 1000.0)
    return Anatomy(
        box=box,
        spacing=spacing,
        signal=signal,
        field=field,
        brain=brain,
        fluid=fluid.astype(np.float32),
        grey=((1 - white - fluid) * brain).astype(np.float32),
        white=white.astype(np.float32),
        levels=levels,
        grain=step_size(signal, ndimage.binary_erosion(white > 0.8, iterations=1)),
        depth=depth.astype(np.float32),
        to_ventricles=ndimage.distance_transform_edt(~ventricles, sampling=spacing).astype(
            np.float32
        ),
        beside_midline=_from_centre(study, brain, spacing, 0),
        above_centre=_from_centre(study, brain, spacing, 2),
    )


def step_size(values: Array, where: NDArray[np.bool_]) -> float:
    """Deviation of the step from a voxel to the next, from the median of its size."""
    steps = np.abs(np.diff(values, axis=0))
    both = where[1:] & where[:-1]
    inner = steps[both] if both.any() else steps
    return float(1.48 * np.median(inner))


def _from_centre(
    study: Study, brain: NDArray[np.bool_], spacing: NDArray[np.float64], direction: int
) -> Array:
    """Distance from the brain's centre along right (0) or superior (2), mm."""
    orientation = nibabel.orientations.io_orientation(study.volume.affine)
    axis = int(np.flatnonzero(orientation[:, 0] == direction)[0])
    along = np.arange(brain.shape[axis]) * spacing[axis] * orientation[axis, 1]
    weights = brain.sum(axis=tuple(other for other in range(3) if other != axis))
    shape = [1, 1, 1]
    shape[axis] = -1
    centred = (along - np.average(along, weights=weights)).reshape(shape)
    return np.broadcast_to(centred, brain.shape).astype(np.float32)


def _box(brain: NDArray[np.bool_], spacing: NDArray[np.float64]) -> tuple[slice, slice, slice]:
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    margin = np.ceil(_MARGIN_MM / spacing).astype(int)
    first, second, third = (
        slice(max(part.start - more, 0), min(part.stop + more, length))
        for part, more, length in zip(box, margin, brain.shape, strict=True)
    )
    return first, second, third


def _bias_field(raw: Array, brain: NDArray[np.bool_], spacing: NDArray[np.float64]) -> Array:
    """N4 (Tustison et al. 2010) on a coarse grid; mean 1 in the brain."""
    image, mask = (
        sitk.GetImageFromArray(array.transpose(2, 1, 0)) for array in (raw, brain.astype(np.uint8))
    )
    for part in (image, mask):
        part.SetSpacing(spacing.tolist())
    factors = np.maximum(np.round(_FIELD_MM / spacing), 1).astype(int).tolist()
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations([20, 20])
    correction.SetNumberOfThreads(1)
    correction.Execute(sitk.Shrink(image, factors), sitk.Shrink(mask, factors))
    log = sitk.GetArrayFromImage(correction.GetLogBiasFieldAsImage(image)).transpose(2, 1, 0)
    field: Array = np.exp(log - log[brain].mean()).astype(np.float32)
    return field


def _levels(values: Array) -> tuple[float, float, float]:
    """Signal of fluid, grey and white matter: a mixture of three Gaussians."""
    sample = np.random.default_rng(0).choice(values, min(_SAMPLES, len(values)), replace=False)
    start = np.percentile(sample, (4, 35, 80)).reshape(-1, 1)
    mixture = GaussianMixture(3, means_init=start, random_state=0).fit(sample.reshape(-1, 1))
    fluid, grey, white = sorted(float(mean) for mean in mixture.means_.ravel())
    return fluid, grey, white


def _ventricles(fluid: Array, depth: Array, voxel_ml: float) -> NDArray[np.bool_]:
    """Fluid deep inside the brain, in pieces that are no sulci."""
    candidates = (fluid > 0.6) & (depth > _VENTRICLE_DEPTH_MM)
    labels, count = ndimage.label(candidates)
    sizes = np.bincount(labels.ravel()) * voxel_ml
    large = np.flatnonzero(sizes > _VENTRICLE_ML)
    large = large[large > 0]
    if count == 0 or len(large) == 0:
        # Slit ventricles: the deepest place stands for them.
        return np.asarray(depth >= depth.max() - 1e-3)
    return np.asarray(np.isin(labels, large))
