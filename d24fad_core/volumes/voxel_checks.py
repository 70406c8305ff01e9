"""What an array of voxels must be to be analysed, whether it comes whole or slab by slab."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.volumes.volume import spacing_of

_EDGE_MM = (0.05, 50.0)


def checked_shape(shape: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    """A shape without trailing axes of length 1.

    Raises:
        InputError: it is not that of a volume.
    """
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    named = " x ".join(str(n) for n in shape)
    if len(shape) > 3:
        raise InputError(
            f"{path}: {named} is a series of 3-D images (time points, echoes or directions)",
            "give one of them as a 3-D image.",
        )
    if len(shape) < 3 or min(shape) < 2:
        raise InputError(
            f"{path}: {named} is one slice; a volume needs at least 2 slices along every axis.",
            "Give the whole 3-D series.",
        )
    return shape[0], shape[1], shape[2]


def check_voxel_size(affine: NDArray[np.float64], path: Path) -> None:
    """Refuse voxels that no scan of a person has; their unit is wrong, mostly.

    Raises:
        InputError: an edge is below 0.05 or above 50 mm.
    """
    spacing = spacing_of(affine)
    if min(spacing) > 0 and not (_EDGE_MM[0] <= min(spacing) and max(spacing) <= _EDGE_MM[1]):
        edges = " x ".join(f"{edge:.3g}" for edge in spacing)
        raise InputError(
            f"{path}: voxels of {edges} mm, which no scan of a person has",
            "correct the unit or the voxel size in the header (xyzt_units and pixdim of NIfTI, "
            "spacing of other formats).",
        )


@dataclass
class VoxelCheck:
    """Looks at the voxels of a scan, part by part.

    Attributes:
        wrong: how many were NaN or infinite.
        lowest: the lowest value.
        highest: the highest value.
    """

    wrong: int = 0
    lowest: float = np.inf
    highest: float = -np.inf

    def add(self, part: NDArray[np.float32]) -> None:
        """Look at one part."""
        self.wrong += int(part.size - np.isfinite(part).sum())
        self.lowest = min(self.lowest, float(part.min()))
        self.highest = max(self.highest, float(part.max()))

    def finish(self, path: Path) -> None:
        """Judge the whole.

        Raises:
            InputError: values are not finite, or all the same.
        """
        if self.wrong:
            raise InputError(
                f"{path}: {self.wrong} voxel{'s are' if self.wrong > 1 else ' is'} NaN or infinite",
                "replace them (for example by the background value) and give it again.",
            )
        if self.lowest == self.highest:
            raise InputError(
                f"{path}: every voxel is {self.lowest:g}; the image is empty.",
                "Export it again.",
            )
