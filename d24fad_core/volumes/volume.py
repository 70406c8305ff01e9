"""A scan with its geometry and modality."""

import hashlib
import math
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.volumes.reduction import Reduction


class Modality(str, Enum):
    """What the voxel values mean: Hounsfield units, or MR signal in arbitrary units."""

    CT = "CT"
    MR = "MR"


class Plane(str, Enum):
    """A plane of slices; its value names it on the command line and in reports."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"

    @property
    def axis(self) -> int:
        """The axis of a canonical (RAS) array along which slices of this plane are stacked."""
        return {"sagittal": 0, "coronal": 1, "axial": 2}[self.value]


class MaskKind(str, Enum):
    """Where a mask comes from; its value names it in reports."""

    FILE = "file"
    DEEPBET = "deepbet"
    TEMPLATE = "template"
    BODY = "body"


BRAIN_MASKS = (MaskKind.DEEPBET, MaskKind.TEMPLATE)
"""Masks that leave the brain of a head."""


@dataclass(frozen=True, eq=False)
class AppliedMask:
    """A mask that a scan was restricted to.

    Attributes:
        inside: boolean, on the grid of the scan.
        kind: where it comes from.
        content_hash: of the scan before, as `Volume.content_hash`.
    """

    inside: NDArray[np.bool_]
    kind: MaskKind
    content_hash: str


@dataclass(frozen=True, eq=False)
class Volume:
    """A three-dimensional scan on its source grid, or on a reduced one where that is too large.

    Attributes:
        array: voxel values, float32, shape (I, J, K), finite.
        affine: 4x4 float64 matrix from voxel index to world position, RAS, in mm.
        modality: CT (values in HU) or MR.
        name: what to call the scan in reports; a file or folder name, never a patient's.
        modality_source: how the modality is known: `"header"`, `"given"` or `"guessed"`.
        reduction: how the scan was reduced while it was read; None where it was not.
        mask: what the scan was restricted to; None where it is as it came.
        acquired: the day it was made, where a DICOM header says it.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    modality: Modality
    name: str
    modality_source: str = "given"
    reduction: Reduction | None = None
    mask: AppliedMask | None = None
    acquired: date | None = None

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise InputError(
                f"{self.name}: an image of {self.array.ndim} dimensions, shape "
                f"{self.array.shape}; a volume has 3.",
                "Give one 3-D series.",
            )
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all():
            raise InputError(
                f"{self.name}: the affine is not a finite 4x4 matrix",
                "rewrite the file.",
            )
        if abs(np.linalg.det(self.affine[:3, :3])) < 1e-9:
            raise InputError(
                f"{self.name}: the affine is singular (voxels without volume)",
                "convert the scan again from its source.",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along each array axis."""
        first, second, third = self.array.shape
        return first, second, third

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance in mm between neighbouring voxels along each array axis."""
        return spacing_of(self.affine)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over voxels, affine and modality: equal scans are equal whatever their file."""
        digest = ContentHash(self.shape)
        digest.add(self.array)
        return digest.finish(self.affine, self.modality)

    @property
    def source_hash(self) -> str:
        """`content_hash` of the scan as it came, before any mask."""
        return self.content_hash if self.mask is None else self.mask.content_hash


class ContentHash:
    """The hash of a scan's content, taken part by part.

    Args:
        shape: voxels along each axis of the whole.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        self._digest = hashlib.sha256(_length(4 * math.prod(shape)))

    def add(self, slab: NDArray[np.float32]) -> None:
        """Take the next slab along the last axis, float32."""
        # Readers yield Fortran order; hashing in that order copies nothing there.
        self._digest.update(np.asfortranarray(slab).T.data.cast("B"))

    def finish(self, affine: NDArray[np.float64], modality: Modality) -> str:
        """The hash, 64 hexadecimal digits."""
        for part in (
            repr(self._shape).encode(),
            np.round(affine, 6).tobytes(),
            modality.value.encode(),
        ):
            self._digest.update(_length(len(part)) + part)
        return self._digest.hexdigest()


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Distance in mm between neighbouring voxels along each array axis of a grid."""
    first, second, third = np.linalg.norm(affine[:3, :3], axis=0)
    return float(first), float(second), float(third)


def _length(count: int) -> bytes:
    """How many bytes follow; it keeps two contents apart that only differ in where a part ends."""
    return count.to_bytes(8, "little")
