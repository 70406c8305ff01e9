"""Attributes of DICOM headers, which may be damaged, as plain values."""

import re
from datetime import date, datetime

import numpy as np
import pydicom
from numpy.typing import NDArray

FRAME_GROUPS = "PerFrameFunctionalGroupsSequence"
SHARED_GROUPS = "SharedFunctionalGroupsSequence"
UNKNOWN = "unknown"
DATE_TAGS = ("AcquisitionDate", "SeriesDate", "StudyDate")
"""Where the day of a scan may stand, the best first."""


class AttributeFaultError(ValueError):
    """An attribute cannot be used; the message names it, never other text of the header."""


def frame_header(header: pydicom.Dataset, frame: int, group: str) -> pydicom.Dataset:
    """Where the attributes of a frame stand.

    In a multi-frame image in the frame's own functional group, else in the one that all frames
    share (empty where there is neither); in a single-frame image at the top.
    """
    if not header.get(FRAME_GROUPS, None):
        return header
    for groups in (header.get(FRAME_GROUPS)[frame], *(header.get(SHARED_GROUPS, None) or ())):
        if sequence := groups.get(group, None):
            return sequence[0]
    return pydicom.Dataset()


def code(header: pydicom.Dataset, name: str) -> str:
    """A code string (VR CS); a damaged header could hold anything there, also a patient's name."""
    value = str(header.get(name, None) or "")
    return value if re.fullmatch(r"[A-Z0-9_ ]{1,16}", value) else UNKNOWN


def acquisition_day(header: pydicom.Dataset) -> date | None:
    """The day on which an image was made; None where the header does not say it legibly."""
    for name in DATE_TAGS:
        try:
            return datetime.strptime(str(header.get(name, None) or ""), "%Y%m%d").date()
        except ValueError:
            continue
    return None


def number(header: pydicom.Dataset, name: str, default: float | None = None) -> float:
    """A finite number.

    Raises:
        AttributeFaultError: it is none, or absent and there is no default.
    """
    if default is not None and header.get(name, None) in (None, ""):
        return default
    return float(numbers(header, name, 1)[0])


def numbers(header: pydicom.Dataset, name: str, count: int) -> NDArray[np.float64]:
    """Finite numbers.

    Raises:
        AttributeFaultError: they are absent, other than numbers, or not so many.
    """
    value = header.get(name, None)
    if value is None or value == "":
        raise AttributeFaultError(f"no {name}")
    try:
        values = np.array(value, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise AttributeFaultError(f"{name} is not a number") from error
    if values.shape != (count,) or not np.isfinite(values).all():
        raise AttributeFaultError(f"{name} is {values.tolist()}")
    return values
