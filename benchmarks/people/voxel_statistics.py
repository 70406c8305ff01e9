"""Two baselines without any network: the image's own brightness, and z against registered normals.

Meissen et al. 2021 warn that brightness alone finds lesions on FLAIR; Saase et al. 2020 that
voxel-wise statistics of normals do.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.people.cohorts import Study
from d24fad_core.detection.calibration import NORMAL_VOXEL_SHARE
from d24fad_core.support.frame import AlignedStudy, Frame, align, make_frame, to_source
from d24fad_core.volumes.volume import Volume

_BLUR_MM = 1.0
_SPREAD_BLUR_MM = 3.0
_FRAME_PIXELS = 128
_WINDOW = "body"
_FLOOR = -3.0
"""About as dark as fluid on T1: where one brain ends and another does not, nothing stands out."""

Array = NDArray[np.float32]


class Brightness:
    """The image blurred by 1 mm: its value on FLAIR, its distance to the median on T1."""

    def heatmap(self, case: Study, normals: Sequence[Study]) -> Array:
        """Brightness in units of the brain's median, 0 outside the brain."""
        median = float(np.median(case.volume.array[case.brain]))
        value = _blurred(case.volume.array, case.volume) / median
        value = value if case.bright else np.abs(value - 1)
        return np.where(case.brain, value, 0).astype(np.float32)

    def threshold(self, normals: Sequence[Study]) -> float:
        """The level that `NORMAL_VOXEL_SHARE` of the normals' brain voxels reach."""
        values = [self.heatmap(study, ())[study.brain] for study in normals]
        return float(np.quantile(np.concatenate(values), 1 - NORMAL_VOXEL_SHARE))


class VoxelwiseZ:
    """Distance to the normals' mean at the same place, in their spread, after registration.

    The spread at a place is that of its surroundings, half way to the mean of all places, since
    few normals say little of one voxel.
    """

    def __init__(self) -> None:
        self._known: tuple[tuple[str, ...], _Atlas] | None = None

    def heatmap(self, case: Study, normals: Sequence[Study]) -> Array:
        """z on the grid of the case, 0 outside its brain."""
        atlas = self._atlas(normals)
        values, aligned = _bring(case, atlas.frame)
        z = np.abs(values - atlas.mean) / atlas.spread
        if case.bright:
            z = np.maximum((values - atlas.mean) / atlas.spread, 0)
        back = to_source(z.astype(np.float32), atlas.frame, aligned, case.volume)
        # Where the frame ends nothing was compared.
        blurred = np.maximum(_blurred(back, case.volume), 1e-6)
        return np.where(case.brain, blurred, 0).astype(np.float32)

    def threshold(self, normals: Sequence[Study]) -> float:
        """The level that `NORMAL_VOXEL_SHARE` of the normals reach against the other normals."""
        atlas = self._atlas(normals)
        values = []
        for index, own in enumerate(atlas.normals):
            others = np.delete(atlas.normals, index, axis=0).mean(axis=0)
            z = np.abs(own - others) / atlas.spread
            z = ndimage.gaussian_filter(z, [_BLUR_MM / step for step in atlas.frame.spacing])
            values.append(z[atlas.brain])
        return float(np.quantile(np.concatenate(values), 1 - NORMAL_VOXEL_SHARE))

    def _atlas(self, normals: Sequence[Study]) -> "_Atlas":
        hashes = tuple(study.volume.content_hash for study in normals)
        if self._known is None or self._known[0] != hashes:
            self._known = (hashes, _Atlas(normals))
        return self._known[1]


class _Atlas:
    """Registered normals, their mean and spread on the grid of a frame."""

    def __init__(self, normals: Sequence[Study]) -> None:
        self.frame = make_frame(normals[0].alone.volume, _FRAME_PIXELS, _WINDOW)
        self.normals = np.stack([_bring(study, self.frame)[0] for study in normals])
        self.mean = self.normals.mean(axis=0)
        self.brain = self.mean > _FLOOR + 0.05
        variance = self.normals.var(axis=0, ddof=1)
        variance = ndimage.gaussian_filter(
            variance, [_SPREAD_BLUR_MM / step for step in self.frame.spacing]
        )
        self.spread = np.sqrt((variance + variance[self.brain].mean()) / 2)


def _bring(study: Study, frame: Frame) -> tuple[Array, AlignedStudy]:
    """A study's brain in the frame, its quartiles brought 2 apart around a median of 0."""
    inside = study.volume.array[study.brain]
    low, middle, high = np.percentile(inside, (25, 50, 75))
    aligned = align(study.alone.volume, frame, _WINDOW, register=True)
    values = 2 * (aligned.volume.array - middle) / max(float(high - low), 1e-6)
    return np.maximum(values, _FLOOR), aligned


def _blurred(array: Array, volume: Volume) -> Array:
    blurred: Array = ndimage.gaussian_filter(array, [_BLUR_MM / step for step in volume.spacing])
    return blurred
