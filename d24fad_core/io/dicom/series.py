"""One CT or MR series of DICOM images with exact geometry.

Attributes and their meaning: DICOM PS3.3, Image Plane Module (C.7.6.2) and Multi-frame Functional
Groups (C.7.6.16).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.damage import reporting_damage
from d24fad_core.io.dicom.attributes import (
    DATE_TAGS,
    FRAME_GROUPS,
    SHARED_GROUPS,
    UNKNOWN,
    AttributeFaultError,
    acquisition_day,
    code,
    frame_header,
    number,
    numbers,
)
from d24fad_core.io.dicom.geometry import Slice, stack_geometry
from d24fad_core.io.dicom.values import (
    VALUE_TAGS,
    check_alike,
    padding_of,
    unclear_values,
    value_transformations,
)
from d24fad_core.volumes.volume import Modality

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_HEADER_TAGS = [
    "SOPClassUID",
    "Modality",
    "PatientName",
    "PatientID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    *DATE_TAGS,
    *VALUE_TAGS,
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    SHARED_GROUPS,
    FRAME_GROUPS,
]


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """The images of a series, placed but not read.

    Attributes:
        slices: along their normal.
        affine: 4x4 matrix from voxel index (column, row, slice) to RAS mm.
        modality: from the header.
        acquired: the day it was made; None where no header says it, or they disagree.
    """

    slices: tuple[Slice, ...]
    affine: NDArray[np.float64]
    modality: Modality
    acquired: date | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows and slices."""
        return (*self.slices[0].size, len(self.slices))


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM images directly in a folder, by name; a DICOMDIR is none."""
    return [path for path in visible_files(folder) if _is_dicom(path)]


def holds_dicom(folder: Path) -> bool:
    """Whether there is a DICOM image directly in a folder."""
    return any(_is_dicom(path) for path in visible_files(folder))


def is_dicom_file(path: Path) -> bool:
    """Whether a file's name or content says DICOM."""
    return path.suffix.lower() in DICOM_SUFFIXES or _is_dicom(path)


def visible_files(folder: Path) -> list[Path]:
    """The files that a series may lie in, by name: neither hidden ones nor a DICOMDIR."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.name != "DICOMDIR"
    )


def open_dicom_folder(folder: Path) -> DicomSeries:
    """Read the headers of the CT or MR series in a folder.

    Args:
        folder: holds the images of one CT or MR series; objects of other modalities beside them
            (reports, segmentations) are passed over.

    Raises:
        InputError: no series, several, another modality, or a stack that is not a regular grid.
    """
    files = dicom_files(folder)
    for path in visible_files(folder):
        if path.suffix.lower() in DICOM_SUFFIXES and path not in files:
            raise InputError(
                f"{path}: is named like a DICOM image but is none (damaged or empty)",
                "copy the series again from its source.",
            )
    if not files:
        inner = sorted(each.name for each in folder.iterdir() if each.is_dir())
        where = f", such as {folder / inner[0]}" if inner else ""
        raise InputError(
            f"{folder}: no DICOM image directly in this folder",
            f"give the folder that holds the files of one series{where}.",
        )
    return _open_series(files, folder)


def open_dicom_file(path: Path) -> DicomSeries:
    """Read the header of a multi-frame CT or MR image.

    Raises:
        InputError: as for a folder; a file with one slice is refused.
    """
    return _open_series([path], path)


def _is_dicom(path: Path) -> bool:
    """Whether the file has the DICOM prefix behind its 128-byte preamble (PS3.10, 7.1)."""
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _open_series(files: Iterable[Path], source: Path) -> DicomSeries:
    headers = {path: _read_header(path) for path in files}
    series = _choose_series(headers, source)
    for path in series:
        photometric = code(headers[path], "PhotometricInterpretation")
        if not photometric.startswith("MONOCHROME"):
            raise InputError(
                f"{path}: a colour image (PhotometricInterpretation {photometric})",
                "give the original grey-value series.",
            )
    members = {path: headers[path] for path in series}
    modality = Modality(members[series[0]].Modality)
    check_alike(members, modality, source)
    slices = _slices(members, modality, source)
    ordered, affine = stack_geometry(slices, source)
    days = {acquisition_day(header) for header in members.values()}
    acquired = days.pop() if len(days) == 1 else None
    return DicomSeries(tuple(ordered), affine, modality, acquired)


def _read_header(path: Path) -> pydicom.Dataset:
    with reporting_damage(path, "DICOM image"):
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_HEADER_TAGS)
        for _ in header.iterall():  # pydicom parses a value, and finds it damaged, at first use
            pass
    return header


def _choose_series(headers: dict[Path, pydicom.Dataset], source: Path) -> list[Path]:
    """The files of the only CT or MR series."""
    groups: dict[str, list[Path]] = defaultdict(list)
    others: dict[str, set[str]] = defaultdict(set)
    for path, header in headers.items():
        modality = code(header, "Modality")
        if modality == UNKNOWN:
            raise InputError(
                f"{path}: the DICOM header does not say the modality (damaged?)",
                "copy the file again from its source.",
            )
        if modality in {each.value for each in Modality}:
            groups[str(header.get("SeriesInstanceUID", ""))].append(path)
        else:
            others[modality].add(str(header.get("SeriesInstanceUID", "")))
    if not groups:
        raise InputError(
            f"{source}: modality {', '.join(sorted(others))}; only CT and MR can be analysed.",
            "Give a series of one of these.",
        )
    if len(groups) > 1:
        listed = sorted(_described(headers[paths[0]], len(paths)) for paths in groups.values())
        raise InputError(
            f"{source}: {len(groups)} series ({'; '.join(listed)})",
            "move each series to a folder of its own and give one of them.",
        )
    (series,) = groups
    if strays := [modality for modality, uids in others.items() if series in uids]:
        raise InputError(
            f"{source}: the series has images of modality {', '.join(sorted(strays))} too "
            "(damaged?)",
            "copy it again from its source.",
        )
    return groups[series]


def _described(header: pydicom.Dataset, count: int) -> str:
    """Number, description and size of a series; no description that names the patient."""
    description = str(header.get("SeriesDescription", None) or "")[:40]
    identity = f"{header.get('PatientName', '')} {header.get('PatientID', '')}".casefold()
    words = identity.replace("^", " ").split()
    named = any(word in description.casefold() for word in words if len(word) > 2)
    if named or not description.isprintable():
        description = ""
    number = header.get("SeriesNumber", None)
    return (
        f"number {number if isinstance(number, int) else 'unknown'}"
        + (f" '{description}'" if description else "")
        + f", {count} file{'s' if count > 1 else ''}"
    )


def _slices(headers: dict[Path, pydicom.Dataset], modality: Modality, source: Path) -> list[Slice]:
    """The slices of all files of a series."""
    try:
        padding = padding_of(headers.values())
    except AttributeFaultError as error:
        raise unclear_values(source, error) from error
    slices: list[Slice] = []
    for path, header in headers.items():
        try:
            frames = _frame_count(header)
            places = [_placed(header, frame) for frame in range(frames)]
            size = (int(number(header, "Columns")), int(number(header, "Rows")))
        except AttributeFaultError as error:
            raise InputError(
                f"{path}: the image does not say where in the patient it lies ({error})",
                "give the original axial, coronal or sagittal series, not a screenshot, scout or "
                "projection.",
            ) from error
        try:
            values = value_transformations(header, frames, modality, padding)
        except AttributeFaultError as error:
            raise unclear_values(path, error) from error
        slices += [
            Slice(path, frame, *place, size, values[frame]) for frame, place in enumerate(places)
        ]
    return slices


def _frame_count(header: pydicom.Dataset) -> int:
    frames = len(header.get(FRAME_GROUPS, None) or (header,))
    if (counted := int(number(header, "NumberOfFrames", 1))) != frames:
        raise AttributeFaultError(f"{counted} frames, positions for {frames}")
    return frames


def _placed(
    header: pydicom.Dataset, frame: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Position, orientation and pixel spacing of a frame."""
    position, orientation, spacing = (
        frame_header(header, frame, f"{group}Sequence")
        for group in ("PlanePosition", "PlaneOrientation", "PixelMeasures")
    )
    return (
        numbers(position, "ImagePositionPatient", 3),
        numbers(orientation, "ImageOrientationPatient", 6),
        numbers(spacing, "PixelSpacing", 2),
    )
