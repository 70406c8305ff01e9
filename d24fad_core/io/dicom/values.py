"""From the stored values of DICOM images to HU or MR signal.

Rescale: DICOM PS3.3, C.11.1; padding: C.7.5.1.1.2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.dicom.attributes import AttributeFaultError, code, frame_header, number
from d24fad_core.volumes.volume import Modality

_LIMIT = "PixelPaddingRangeLimit"
VALUE_TAGS = [
    "PhotometricInterpretation",
    "BitsAllocated",
    "PixelRepresentation",
    "PixelPaddingValue",
    _LIMIT,
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
]
_GROUP = "PixelValueTransformationSequence"
_RESCALE = ("RescaleSlope", "RescaleIntercept")
_NOTHING = {Modality.CT: -1000.0, Modality.MR: 0.0}
_PLAUSIBLE_HU = (-1000.0, 3071.0)
# Headers of old scanners say "unspecified" of HU.
_HOUNSFIELD_TYPES = ("", "HU", "US")


@dataclass(frozen=True)
class Padding:
    """Stored values that stand for no measurement, both inclusive."""

    lowest: int
    highest: int


@dataclass(frozen=True)
class ValueTransformation:
    """What becomes of the stored values of an image or a frame.

    Attributes:
        modality: CT or MR.
        slope: what they are multiplied by.
        intercept: what is added then.
        padding: those that are none.
    """

    modality: Modality
    slope: float
    intercept: float
    padding: tuple[Padding, ...]

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float64]:
        """HU or signal; padding becomes that of air.

        Some headers of CT declare a value of tissue to be padding; it stays what it is.
        """
        values: NDArray[np.float64] = pixels * self.slope + self.intercept
        for padding in self.padding:
            padded = (pixels >= padding.lowest) & (pixels <= padding.highest)
            if self.modality is Modality.CT:
                padded &= (values < _PLAUSIBLE_HU[0]) | (values > _PLAUSIBLE_HU[1])
            values[padded] = _NOTHING[self.modality]
        return values


def value_transformations(
    header: pydicom.Dataset, frames: int, modality: Modality, padding: Sequence[Padding]
) -> list[ValueTransformation]:
    """The transformations of the frames of an image.

    Args:
        header: of the image.
        frames: how many it has.
        modality: CT or MR.
        padding: from `padding_of`, of all images of the series: a header may have lost its own.

    Raises:
        AttributeFaultError: a CT does not say how its values become HU, or they are none.
    """
    if "ModalityLUTSequence" in header:
        raise AttributeFaultError("a Modality LUT in place of a rescale")
    transformations = []
    for frame in range(frames):
        holder = frame_header(header, frame, _GROUP)
        absent = [name for name in _RESCALE if holder.get(name, None) in (None, "")]
        if absent and (modality is Modality.CT or len(absent) < len(_RESCALE)):
            raise AttributeFaultError(f"no {absent[0]}")
        kind = str(holder.get("RescaleType", None) or "")
        if modality is Modality.CT and kind not in _HOUNSFIELD_TYPES:
            raise AttributeFaultError(f"RescaleType is not HU but '{code(holder, 'RescaleType')}'")
        slope, intercept = (number(holder, name, 1.0 - at) for at, name in enumerate(_RESCALE))
        if slope == 0:
            raise AttributeFaultError("RescaleSlope is 0")
        transformations.append(ValueTransformation(modality, slope, intercept, tuple(padding)))
    return transformations


def padding_of(headers: Iterable[pydicom.Dataset]) -> tuple[Padding, ...]:
    """What the images of a series declare as padding, each value once.

    Raises:
        AttributeFaultError: an attribute is damaged.
    """
    ranges = {_padding(header) for header in headers if "PixelPaddingValue" in header}
    return tuple(sorted(ranges, key=lambda each: (each.lowest, each.highest)))


def _padding(header: pydicom.Dataset) -> Padding:
    bits = int(number(header, "BitsAllocated"))
    signed = bool(number(header, "PixelRepresentation"))
    value = number(header, "PixelPaddingValue")
    ends = [int(each) % (1 << bits) for each in (value, number(header, _LIMIT, value))]
    # Scanners write the value of signed pixels with either sign.
    ends = [each - (1 << bits) if signed and each >> (bits - 1) else each for each in ends]
    return Padding(min(ends), max(ends))


def check_bits(pixels: NDArray[Any], image: pydicom.Dataset) -> None:
    """Refuse pixels in which more is stored than a value, as scanners of before 2004 did with
    overlays, and values that are shifted or lack their sign (PS3.5, 8.1.1). Padding may be any
    number.

    Args:
        pixels: as they lie in the file.
        image: with its header.

    Raises:
        AttributeFaultError: there are such pixels.
    """
    bits, high = (int(number(image, name)) for name in ("BitsStored", "HighBit"))
    if high != bits - 1:
        raise AttributeFaultError(f"HighBit is {high} where BitsStored is {bits}")
    if bits == int(number(image, "BitsAllocated")):
        return
    signed = bool(number(image, "PixelRepresentation"))
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    beyond = (pixels < lowest) | (pixels > highest)
    if "PixelPaddingValue" in image:
        padding = _padding(image)
        beyond &= (pixels < padding.lowest) | (pixels > padding.highest)
    if beyond.any():
        raise AttributeFaultError(f"{bits} BitsStored, and pixels that use more of them")


def check_alike(headers: dict[Path, pydicom.Dataset], modality: Modality, source: Path) -> None:
    """Refuse a series whose images do not store their values alike.

    That is a mixture of series, or damage in one of the headers, and would be read as jumps between
    slices. Only the rescale of MR differs between slices of one series.

    Raises:
        InputError: they do not.
    """
    same = ["BitsAllocated", "PixelRepresentation"]
    if modality is Modality.CT:
        same += [*_RESCALE, "RescaleType"]
    for name in same:
        kinds = {str(header.get(name, None)) for header in headers.values()}
        if len(kinds) > 1:
            raise InputError(
                f"{source}: {name} differs between the images of the series",
                "copy the series again from its source, or give the images that belong together.",
            )
    rescaled = {_RESCALE[0] in header for header in headers.values()}
    if len(rescaled) > 1:
        raise InputError(
            f"{source}: some images of the series have a RescaleSlope and others have none",
            "copy the series again from its source.",
        )


def unclear_values(path: Path, error: AttributeFaultError) -> InputError:
    """The refusal of an image of which nobody knows what its values are."""
    return InputError(
        f"{path}: the header does not say what its pixel values mean ({error})",
        "give the original series, or a NIfTI or NRRD file of HU.",
    )
