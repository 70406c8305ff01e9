"""Normal studies side by side on one grid, in one unit of intensity."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from d24fad_core.comparison.intensity_match import match_intensities
from d24fad_core.errors import InputError
from d24fad_core.volumes.preprocessing import CT_WINDOWS
from d24fad_core.volumes.volume import Modality, Volume

BRIGHTEST = 1.6
"""Intensities end here, in units of the normals' brightest tissue."""

_BACKGROUND_SHARE = 0.02
_SHARED_BY = 0.8
_BRIGHTEST_TISSUE = 0.995
_DARKEST = 0.01


@dataclass(frozen=True, eq=False)
class PlacedStudy:
    """A study on the common grid, in units of its own median.

    Attributes:
        intensities: (X, Y, Z) float32, 0 outside.
        inside: (X, Y, Z) bool, head or body.
    """

    intensities: Tensor
    inside: Tensor


@dataclass(frozen=True, eq=False)
class NormalStack:
    """K normal studies.

    Attributes:
        intensities: (K, X, Y, Z), 0 outside each study, 1 near the brightest tissue.
        mean: (X, Y, Z) their mean in the units of `PlacedStudy`, which others are fitted to.
        shared: (X, Y, Z) bool, inside most of them.
        unit: the brightest tissue in units of `mean`.
    """

    intensities: Tensor
    mean: Tensor
    shared: Tensor
    unit: float

    @classmethod
    def in_units(cls, intensities: Tensor) -> "NormalStack":
        """Studies that are in one unit already, (K, X, Y, Z)."""
        everywhere = torch.ones_like(intensities[0], dtype=torch.bool)
        return cls(intensities, intensities.mean(0), everywhere, 1.0)

    def __len__(self) -> int:
        return len(self.intensities)

    def fitted(self, study: PlacedStudy) -> Tensor:
        """Another study's intensities in the normals' units, (X, Y, Z), 0 outside it.

        A linear fit on the voxels that agree best, see `match_intensities`.
        """
        both = self.shared & study.inside
        match = match_intensities(study.intensities, self.mean, both)
        values = match(study.intensities).clamp_min(_DARKEST) / self.unit
        return values.clamp_max(BRIGHTEST) * study.inside

    def with_intensities(self, intensities: Tensor) -> "NormalStack":
        """The same normals where they were moved, (K, X, Y, Z)."""
        return replace(self, intensities=intensities)

    def without(self, number: int) -> "NormalStack":
        """The others, in the same units."""
        others = [index for index in range(len(self)) if index != number]
        return NormalStack(self.intensities[others], self.mean, self.shared, self.unit)


def place_study(volume: Volume, ct_window: str) -> PlacedStudy:
    """Tell inside from outside and bring intensities to the study's own median.

    Args:
        volume: on the common grid.
        ct_window: window that CT is seen in; MR ignores it.

    Raises:
        InputError: nothing stands out from the background.
    """
    array: NDArray[np.float32] = volume.array
    if volume.modality is Modality.CT:
        low, high = CT_WINDOWS[ct_window]
        array = np.clip((array - low) / (high - low), 0.0, None).astype(np.float32)
    else:
        array = array - float(array.min())
    inside = array > _BACKGROUND_SHARE * float(np.percentile(array, 99.0))
    labels, count = ndimage.label(inside)
    if count == 0:
        raise InputError(
            f"{volume.name}: no foreground found (values {float(volume.array.min()):g} to "
            f"{float(volume.array.max()):g})",
            "check the file and its mask.",
        )
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    inside = ndimage.binary_fill_holes(labels == int(sizes.argmax()))
    values = torch.from_numpy(np.ascontiguousarray(array))
    mask = torch.from_numpy(inside)
    return PlacedStudy(values / values[mask].median().clamp_min(1e-6) * mask, mask)


def stack_normals(studies: Sequence[PlacedStudy]) -> NormalStack:
    """Fit normal studies to their own mean.

    Args:
        studies: at least one, on one grid.
    """
    intensities = torch.stack([study.intensities for study in studies])
    mean = intensities.mean(0)
    shared = torch.stack([study.inside for study in studies]).float().mean(0) >= _SHARED_BY
    tissue = mean[shared]
    unit = float(tissue[:: max(1, tissue.numel() // 100_000)].quantile(_BRIGHTEST_TISSUE))
    empty = NormalStack(intensities[:0], mean, shared, max(unit, 1e-6))
    fitted = torch.stack([empty.fitted(study) for study in studies])
    return NormalStack(fitted, mean, shared, empty.unit)
