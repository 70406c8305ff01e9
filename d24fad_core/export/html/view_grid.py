"""The voxels that the page shows: the patient's box, in RAS order, coarser where there are many."""

from dataclasses import dataclass
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.export.html.shown_map import ShownMap
from d24fad_core.volumes.preprocessing import find_foreground
from d24fad_core.volumes.reduction import block_means, choose_factors
from d24fad_core.volumes.volume import Volume, spacing_of

LARGEST_VIEW = 8_000_000
"""Voxels of a page at most: a head of 1 mm as it is; as bytes they fit into a file of 12 MB."""

_MARGIN_MM = 6.0


@dataclass(frozen=True, eq=False)
class ViewGrid:
    """A box of a study in RAS order, made of blocks of voxels.

    Attributes:
        source_shape: voxels along each axis of the study's array.
        orientation: of the study's array, as nibabel has it.
        first: RAS-ordered index of the box's first voxel.
        length: voxels of the box along each axis.
        factors: voxels of a block along each axis; the last one may be smaller.
        affine: 4x4 from RAS-ordered voxel index, of the whole study, to RAS mm.
    """

    source_shape: tuple[int, int, int]
    orientation: NDArray[np.float64]
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    factors: tuple[int, int, int]
    affine: NDArray[np.float64]

    @classmethod
    def of(cls, query: Volume, view: ShownMap, largest: int = LARGEST_VIEW) -> "ViewGrid":
        """The box of the patient and of all scores, of at most `largest` blocks."""
        orientation = io_orientation(query.affine)
        affine = query.affine @ inv_ornt_aff(orientation, query.shape)
        spacing = spacing_of(affine)
        canonical = apply_orientation(query.array, orientation)
        first, last = _patient_box(canonical, spacing, query)
        scored = apply_orientation(view.ranks, orientation)
        for axis in range(3):
            others = tuple(other for other in range(3) if other != axis)
            inside = np.flatnonzero(scored.any(axis=others))
            margin = round(_MARGIN_MM / spacing[axis])
            low, high = first[axis] - margin, last[axis] + margin
            if inside.size:
                low, high = min(low, inside[0]), max(high, inside[-1])
            first[axis], last[axis] = max(low, 0), min(high, canonical.shape[axis] - 1)
        length = last - first + 1
        # `choose_factors` leaves an eighth of the number that it is given.
        shape = (int(length[0]), int(length[1]), int(length[2]))
        factors = choose_factors(shape, spacing, 8 * largest)
        return cls(query.shape, orientation, first, length, factors, affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Blocks along right, anterior and superior."""
        first, second, third = -(-self.length // np.array(self.factors))
        return int(first), int(second), int(third)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Size of a block in mm."""
        first, second, third = np.array(spacing_of(self.affine)) * self.factors
        return float(first), float(second), float(third)

    @property
    def block_affine(self) -> NDArray[np.float64]:
        """4x4 from block index to RAS mm."""
        return self._scaled(np.array(self.factors, np.float64))

    def coarser_affine(self, shape: tuple[int, int, int]) -> NDArray[np.float64]:
        """The same for a grid of other shape that fills the same box."""
        return self._scaled(np.array(self.shape) * self.factors / np.array(shape, np.float64))

    @property
    def fraction_to_mm(self) -> NDArray[np.float64]:
        """4x4 from fractions of the box, 0 to 1, to RAS mm."""
        to_voxel = np.diag([*(np.array(self.shape) * self.factors).astype(float), 1.0])
        to_voxel[:3, 3] = self.first - 0.5
        result: NDArray[np.float64] = self.affine @ to_voxel
        return result

    def fraction(self, voxel: tuple[int, int, int]) -> tuple[float, float, float]:
        """Where the middle of a voxel of the study's array lies in the box, 0 to 1."""
        to_source = inv_ornt_aff(self.orientation, self.source_shape)
        index = (np.linalg.inv(to_source) @ [*voxel, 1.0])[:3]
        first, second, third = (index - self.first + 0.5) / (np.array(self.shape) * self.factors)
        return float(first), float(second), float(third)

    def axis(self, source_axis: int) -> tuple[int, bool]:
        """The RAS axis that an axis of the study's array runs along, and whether against it."""
        world, sign = self.orientation[source_axis]
        return int(world), bool(sign < 0)

    def boxed(self, array: NDArray[Any]) -> NDArray[Any]:
        """The box of an array of the study, in RAS order."""
        box = tuple(
            slice(first, first + length)
            for first, length in zip(self.first, self.length, strict=True)
        )
        part: NDArray[Any] = apply_orientation(array, self.orientation)[box]
        return part

    def averaged(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean of each block."""
        return block_means(self.boxed(array), self.factors)

    def sampled(self, array: NDArray[Any]) -> NDArray[Any]:
        """The value in the middle of each block, so that scores stay what they are."""
        picked = [
            np.minimum(np.arange(count) * factor + factor // 2, length - 1)
            for count, factor, length in zip(self.shape, self.factors, self.length, strict=True)
        ]
        values: NDArray[Any] = self.boxed(array)[np.ix_(*picked)]
        return values

    def _scaled(self, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        to_voxel = np.diag([*steps, 1.0])
        to_voxel[:3, 3] = self.first + (steps - 1) / 2.0
        result: NDArray[np.float64] = self.affine @ to_voxel
        return result

    @property
    def letters(self) -> str:
        """The sides that the study's own axes run towards, such as `"LPS"`."""
        return "".join(nibabel.orientations.ornt2axcodes(self.orientation))


def _patient_box(
    canonical: NDArray[np.float32], spacing: tuple[float, float, float], query: Volume
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    try:
        box = find_foreground(canonical, spacing, query.modality, query.name)
    except InputError:  # a study of one value has no patient; all of it is shown
        return np.zeros(3, np.int64), np.array(canonical.shape) - 1
    return np.array(box.first), np.array(box.last)
