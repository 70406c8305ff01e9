"""Slices of a source array turned the way radiologists hang them.

The patient's right is on the left of axial and coronal pictures, anterior is on the left of
sagittal ones; anterior (axial) or superior (coronal, sagittal) is at the top.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from d24fad_core.detection.result import Finding
from d24fad_core.volumes.volume import Plane

# World axes (0 right-left, 1 anterior-posterior, 2 superior-inferior) that run along the columns
# (left to right) and down the rows of a picture; both from the positive end to the negative one.
_PICTURE_AXES = {Plane.SAGITTAL: (1, 2), Plane.CORONAL: (0, 2), Plane.AXIAL: (0, 1)}
_POSITIVE, _NEGATIVE = "RAS", "LPI"
_SIDES = (("right", "left"), ("anterior", "posterior"), ("superior", "inferior"))
# A second letter is shown from about 20 degrees on.
_SECOND_LETTER = 0.35


@dataclass(frozen=True)
class SliceDisplay:
    """How to draw the slices along one axis of a source array.

    Attributes:
        slice_axis: array axis along which the slices are stacked.
        plane: the anatomical plane that these slices come closest to.
        row_axis: array axis that runs down the picture.
        column_axis: array axis that runs from left to right.
        flip_rows: whether the first row of the picture is the last index of `row_axis`.
        flip_columns: the same for `column_axis`.
        row_mm: height of a pixel.
        column_mm: width of a pixel.
        left, right, top, bottom: what lies beyond each edge, e.g. `"R"`, or `"RA"` when oblique.
    """

    slice_axis: int
    plane: Plane
    row_axis: int
    column_axis: int
    flip_rows: bool
    flip_columns: bool
    row_mm: float
    column_mm: float
    left: str
    right: str
    top: str
    bottom: str

    @classmethod
    def of(cls, affine: NDArray[np.float64], slice_axis: int) -> "SliceDisplay":
        """Derive the display of the slices along `slice_axis` from the affine (RAS, mm)."""
        orientation = nib.io_orientation(affine)
        world_axis = {int(world): array for array, (world, _) in enumerate(orientation)}
        plane = next(plane for plane in Plane if plane.axis == int(orientation[slice_axis, 0]))
        column_axis, row_axis = (world_axis[world] for world in _PICTURE_AXES[plane])
        flip_rows, flip_columns = orientation[row_axis, 1] > 0, orientation[column_axis, 1] > 0
        rightwards = affine[:3, column_axis] * (-1 if flip_columns else 1)
        downwards = affine[:3, row_axis] * (-1 if flip_rows else 1)
        return cls(
            slice_axis=slice_axis,
            plane=plane,
            row_axis=row_axis,
            column_axis=column_axis,
            flip_rows=bool(flip_rows),
            flip_columns=bool(flip_columns),
            row_mm=float(np.linalg.norm(downwards)),
            column_mm=float(np.linalg.norm(rightwards)),
            left=_letters(-rightwards),
            right=_letters(rightwards),
            top=_letters(-downwards),
            bottom=_letters(downwards),
        )

    def picture(self, array: NDArray[Any], index: int) -> NDArray[Any]:
        """Slice `index` of a source array (I, J, K) as picture (rows, columns)."""
        # Not np.take, which copies a whole array that lies in Fortran order.
        picture: NDArray[Any] = array[(slice(None),) * self.slice_axis + (index,)]
        if self.row_axis > self.column_axis:
            picture = picture.T
        if self.flip_rows:
            picture = picture[::-1]
        return picture[:, ::-1] if self.flip_columns else picture

    def size_mm(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Height and width in mm of a picture of a source array of this shape."""
        return shape[self.row_axis] * self.row_mm, shape[self.column_axis] * self.column_mm

    def position(self, affine: NDArray[np.float64], shape: tuple[int, ...], index: int) -> str:
        """Where the centre of slice `index` lies across its plane, e.g. `"23.5 mm superior"`."""
        voxel = (np.array(shape, dtype=np.float64) - 1) / 2
        voxel[self.slice_axis] = index
        axis = self.plane.axis
        place = float(affine[axis, :3] @ voxel + affine[axis, 3])
        side = _SIDES[axis][0 if place >= 0 else 1]
        return f"{abs(place):.1f} mm {side}"


def _letters(direction: NDArray[np.float64]) -> str:
    """Name the side of the patient that a direction (RAS) points to, nearest side first."""
    cosines = direction / np.linalg.norm(direction)
    nearest = np.argsort(-np.abs(cosines), kind="stable")
    named = [axis for axis in nearest if abs(cosines[axis]) >= _SECOND_LETTER]
    return "".join((_POSITIVE if cosines[axis] > 0 else _NEGATIVE)[axis] for axis in named)


def choose_slices(
    slice_scores: Sequence[float],
    findings: Sequence[Finding],
    spacing_mm: float,
    count: int,
    gap_mm: float,
) -> list[int]:
    """Choose the slices to show, so that each shows something new.

    First the slice with the highest score, then for each finding that is in none of them its best
    slice, then the highest scores that lie apart from those chosen, then the highest scores.

    Args:
        slice_scores: one score a slice.
        findings: by rank; their slice ranges count along the same slices.
        spacing_mm: distance between neighbouring slices.
        count: how many to choose at most.
        gap_mm: slices nearer than this to one already chosen show nearly the same.

    Returns:
        Indices of at most `count` slices by falling score.
    """
    by_score = sorted(range(len(slice_scores)), key=lambda index: -slice_scores[index])
    choice = by_score[:1]
    for finding in findings:
        first, last = finding.slice_range
        if not any(first <= index <= last for index in choice):
            choice.append(max(range(first, last + 1), key=lambda index: slice_scores[index]))
    for index in by_score:
        if all(abs(index - other) * spacing_mm >= gap_mm for other in choice):
            choice.append(index)
    choice += [index for index in by_score if index not in set(choice)]
    return sorted(choice[:count], key=lambda index: -slice_scores[index])
