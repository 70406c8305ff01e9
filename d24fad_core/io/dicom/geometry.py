"""From the places of DICOM slices to the affine of a volume, or the reason why there is none.

DICOM positions are LPS (PS3.3, C.7.6.2); the affine is RAS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.dicom.values import ValueTransformation

# Largest angle between the normal of the slices and the way from one to the next.
MAXIMUM_TILT_DEGREES = 0.5
# How far a slice may lie from its place in a uniform stack: the larger of these two.
POSITION_TOLERANCE = 0.05  # of the distance between slices
POSITION_TOLERANCE_MM = 0.02

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Slice:
    """One image, or one frame of a multi-frame image.

    Attributes:
        path: the file that holds its pixels.
        frame: index of the frame in that file.
        position: of the centre of its first pixel, LPS mm.
        orientation: direction of rising column, then of rising row index, six LPS cosines.
        pixel_spacing: distance in mm between rows, then between columns.
        size: number of columns and of rows.
        values: what becomes of its stored values.
    """

    path: Path
    frame: int
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    pixel_spacing: NDArray[np.float64]
    size: tuple[int, int]
    values: ValueTransformation


def stack_geometry(
    slices: Sequence[Slice], source: Path
) -> tuple[list[Slice], NDArray[np.float64]]:
    """Order the slices along their normal and find the affine of the stack.

    Raises:
        InputError: one slice, several sizes or orientations, slices missing or at the same place,
            uneven distances, or a tilted gantry.
    """
    if len(slices) < 2:
        raise InputError(
            f"{source}: one slice; a volume needs at least 2.",
            "Give the folder with all slices of the series.",
        )
    first = slices[0]
    # Of medians, a damaged number in one of the headers takes nothing away.
    pixel_spacing = np.median([each.pixel_spacing for each in slices], axis=0)
    orientation = np.median([each.orientation for each in slices], axis=0)
    for each in slices:
        if each.size != first.size or not np.allclose(each.pixel_spacing, first.pixel_spacing):
            raise InputError(
                f"{source}: slices of {_pixels(first)} and of {_pixels(each)} in one series",
                "give a series of one size.",
            )
        if not np.allclose(each.orientation, orientation, atol=1e-3):
            raise InputError(
                f"{source}: slices of several orientations in one series (a scout?)",
                "give a series of parallel slices.",
            )
    if not (pixel_spacing > 0).all():
        raise InputError(
            f"{source}: PixelSpacing {pixel_spacing.tolist()} mm",
            "convert the series again from its source.",
        )
    row, column = orientation[:3], orientation[3:]
    if not np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=1e-3):
        raise InputError(
            f"{source}: ImageOrientationPatient {orientation.tolist()} is not two perpendicular "
            "unit vectors",
            "convert the series again from its source.",
        )
    row, column = row / np.linalg.norm(row), column / np.linalg.norm(column)
    normal = np.cross(row, column)
    ordered = sorted(slices, key=lambda each: float(each.position @ normal))
    positions = np.stack([each.position for each in ordered])
    _check_distances(positions @ normal, source)
    apart = len(ordered) // 2
    step = np.median(positions[apart:] - positions[:-apart], axis=0) / apart
    _check_tilt(step, normal, source)
    distance = float(np.linalg.norm(step))
    places = np.arange(len(ordered))[:, None] * step
    origin = np.median(positions - places, axis=0)
    expected = origin + places
    stray = float(np.linalg.norm(positions - expected, axis=1).max())
    if stray > max(POSITION_TOLERANCE * distance, POSITION_TOLERANCE_MM):
        raise InputError(
            f"{source}: a slice lies {stray:.2f} mm off the straight stack",
            "convert the series to a regular volume first.",
        )
    rows_spacing, columns_spacing = pixel_spacing
    affine = np.eye(4)
    affine[:3, :3] = np.stack([row * columns_spacing, column * rows_spacing, step], axis=1)
    affine[:3, 3] = origin
    affine[:3] = _LPS_TO_RAS @ affine[:3]
    return ordered, affine


def _pixels(image: Slice) -> str:
    rows_apart, columns_apart = image.pixel_spacing
    return f"{image.size[0]} x {image.size[1]} pixels, {columns_apart:g} x {rows_apart:g} mm"


def _check_distances(places: NDArray[np.float64], source: Path) -> None:
    """Refuse stacks that are not uniform; `places` are mm along the normal, ascending."""
    gaps = np.diff(places)
    if (same := int((gaps < POSITION_TOLERANCE_MM / 2).sum())) > 0:
        raise InputError(
            f"{source}: {same} slice{'s lie' if same > 1 else ' lies'} at the place of another "
            f"one ({len(places)} slices; copies, or several echoes or time points)",
            "give one image for each place.",
        )
    usual = float(np.median(gaps))
    tolerance = max(POSITION_TOLERANCE * usual, POSITION_TOLERANCE_MM)
    if (np.abs(gaps - usual) <= tolerance).all():
        return
    widest, usual = int(gaps.argmax()), float(gaps.min())
    multiples = np.rint(gaps / usual)
    if (np.abs(gaps - multiples * usual) <= tolerance).all():
        missing = int((multiples - 1).sum())
        raise InputError(
            f"{source}: {missing} slice{'s are' if missing > 1 else ' is'} missing (a gap of "
            f"{gaps[widest]:.2f} mm after slice {widest + 1} of {len(places)}, where slices are "
            f"{usual:.2f} mm apart)",
            "copy the whole series.",
        )
    raise InputError(
        f"{source}: distances between slices vary from {gaps.min():.2f} to {gaps.max():.2f} mm",
        "resample the series to even slices first.",
    )


def _check_tilt(step: NDArray[np.float64], normal: NDArray[np.float64], source: Path) -> None:
    cosine = float(step @ normal / np.linalg.norm(step))
    tilt = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    if tilt > MAXIMUM_TILT_DEGREES:
        raise InputError(
            f"{source}: the gantry was tilted by {tilt:.1f} degrees, so the slices do not form a "
            "rectangular volume",
            "resample it first (dcm2niix corrects the tilt).",
        )
