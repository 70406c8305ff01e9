"""A person's contrasts in the frame of the first one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.comparison.normal_stack import PlacedStudy, place_study
from d24fad_core.contrasts.fusion import on_reference
from d24fad_core.contrasts.registration import LaidContrast, lay_contrast
from d24fad_core.support.frame import AlignedStudy, Frame
from d24fad_core.volumes.volume import Volume

_LARGEST_POOLED_MM = 2.5
_LEAST_SHOWN = 0.5
"""Of a voxel, for it to be inside."""


@dataclass(frozen=True, eq=False)
class LaidPerson:
    """A person's scans, each in the frame of its own contrast, and how they lie on each other.

    Attributes:
        frames: one a contrast, the reference first; so are all others.
        aligned: the scans in them.
        laid: where each contrast lies on the reference, which lies on itself.
    """

    frames: tuple[Frame, ...]
    aligned: tuple[AlignedStudy, ...]
    laid: tuple[LaidContrast, ...]

    def on_reference(self, maps: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Maps in the frames of their contrasts, in that of the reference: (X, Y, Z) each."""
        others = [
            on_reference(values, frame, aligned, laid.to_other, self.frames[0], self.aligned[0])
            for values, frame, aligned, laid in zip(
                maps[1:], self.frames[1:], self.aligned[1:], self.laid[1:], strict=True
            )
        ]
        return [maps[0], *others]

    def intensities(self, ct_window: str) -> list[PlacedStudy]:
        """What each contrast shows, on the grid of the reference's frame or a coarser one.

        Args:
            ct_window: window that CT is seen in.
        """
        own = [place_study(study.volume, ct_window) for study in self.aligned]
        shares = self.on_reference([study.inside.numpy().astype(np.float32) for study in own])
        values = self.on_reference([study.intensities.numpy() for study in own])
        steps = _steps(self.frames[0])
        return [
            _pooled(intensities, share, steps)
            for intensities, share in zip(values, shares, strict=True)
        ]


def lay_person(
    scans: Sequence[Volume], frames: Sequence[Frame], aligned: Sequence[AlignedStudy]
) -> LaidPerson:
    """Lay a person's contrasts on the first one.

    Args:
        scans: one a contrast, the reference first.
        frames: of the contrasts.
        aligned: the scans in them.

    Raises:
        InputError: a contrast nowhere overlaps with the reference.
    """
    itself = LaidContrast(sitk.Euler3DTransform(), 1.0)
    others = (lay_contrast(scans[0], other) for other in scans[1:])
    return LaidPerson(tuple(frames), tuple(aligned), (itself, *others))


def pooled_spacing(frame: Frame) -> tuple[float, float, float]:
    """Sizes of the voxels of `LaidPerson.intensities` in mm."""
    first, second, third = (
        size * step for size, step in zip(frame.spacing, _steps(frame), strict=True)
    )
    return first, second, third


def unpooled(values: Tensor, frame: Frame) -> NDArray[np.float32]:
    """A map on the grid of `LaidPerson.intensities`, in the frame of the reference."""
    steps = _steps(frame)
    if steps != (1, 1, 1):
        sizes = [length * step for length, step in zip(values.shape, steps, strict=True)]
        values = F.interpolate(values[None, None], sizes, mode="trilinear")[0, 0]
    length, width, height = frame.shape
    array: NDArray[np.float32] = values[:length, :width, :height].numpy()
    return array


def _steps(frame: Frame) -> tuple[int, int, int]:
    """How many voxels along each axis make one that is no larger than needed."""
    first, second, third = (max(1, int(_LARGEST_POOLED_MM / size)) for size in frame.spacing)
    return first, second, third


def _pooled(
    intensities: NDArray[np.float32], share: NDArray[np.float32], steps: tuple[int, int, int]
) -> PlacedStudy:
    """Means of what is inside, whatever part of a voxel that is."""
    values, shares = (torch.from_numpy(part)[None, None] for part in (intensities, share))
    if steps != (1, 1, 1):
        values, shares = (F.avg_pool3d(part, steps, ceil_mode=True) for part in (values, shares))
    inside = shares[0, 0] >= _LEAST_SHOWN
    mean = values[0, 0] / shares[0, 0].clamp_min(_LEAST_SHOWN)
    return PlacedStudy(mean.clamp_min(1e-6) * inside, inside)
