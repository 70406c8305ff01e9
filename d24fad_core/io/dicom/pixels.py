"""Pixel values of DICOM images, of every transfer syntax, rescaled slice by slice."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK
from numpy.typing import NDArray
from pydicom.uid import RLELossless

from d24fad_core.errors import InputError
from d24fad_core.io.damage import reporting_damage
from d24fad_core.io.dicom.attributes import FRAME_GROUPS, SHARED_GROUPS, AttributeFaultError
from d24fad_core.io.dicom.geometry import Slice
from d24fad_core.io.dicom.values import check_bits, unclear_values


def read_pixels(slices: Sequence[Slice]) -> NDArray[np.float32]:
    """Rescaled values of the slices, float32, shape (columns, rows, slices).

    Raises:
        InputError: a file is damaged, or its pixels do not have the shape that its header says.
    """
    columns, rows = slices[0].size
    array = np.empty((len(slices), rows, columns), dtype=np.float32)
    places: dict[Path, list[tuple[int, int]]] = defaultdict(list)
    for place, each in enumerate(slices):
        places[each.path].append((place, each.frame))
    for path, members in places.items():
        pixels = _stored_values(path)
        frames = pixels[np.newaxis] if pixels.ndim == 2 else pixels
        if frames.shape != (len(members), rows, columns):
            raise InputError(
                f"{path}: pixels of shape {pixels.shape} where the header says {len(members)} x "
                f"{rows} x {columns}",
                "copy the file again from its source.",
            )
        for place, frame in members:
            array[place] = slices[place].values.apply(frames[frame])
    return array.transpose(2, 1, 0)


def read_pixel_slabs(slices: Sequence[Slice], depth: int) -> Iterator[NDArray[np.float32]]:
    """The same in slabs of `depth` slices.

    The frames of a multi-frame image are read together, so that such a series is held whole.

    Raises:
        InputError: as above.
    """
    if len({each.path for each in slices}) == len(slices):
        for first in range(0, len(slices), depth):
            yield read_pixels(slices[first : first + depth])
    else:
        values = read_pixels(slices)
        for first in range(0, len(slices), depth):
            yield values[:, :, first : first + depth]


def _stored_values(path: Path) -> NDArray[Any]:
    """Pixels before rescaling, shape (rows, columns) or (frames, rows, columns)."""
    with reporting_damage(path, "DICOM image"):
        dataset = pydicom.dcmread(path)
        syntax = dataset.file_meta.TransferSyntaxUID
        pixels: NDArray[Any]
        if syntax.is_compressed and syntax != RLELossless:
            pixels = _decompressed(dataset)
        else:
            # pydicom 3 cuts values to BitsStored: wrong where that is what is damaged. 2 does not.
            if hasattr(dataset, "pixel_array_options"):
                dataset.pixel_array_options(correct_unused_bits=False)
            pixels = dataset.pixel_array
            try:
                check_bits(pixels, dataset)
            except AttributeFaultError as error:
                raise unclear_values(path, error) from error
    return pixels


def _decompressed(dataset: pydicom.Dataset) -> NDArray[Any]:
    """Stored values of a JPEG, JPEG-LS or JPEG 2000 image, shape (frames, rows, columns).

    SimpleITK decodes them all, but from files only, and on the way rescales some kinds of image and
    inverts others: it gets a copy that asks for neither.
    """
    groups = [*(dataset.get(SHARED_GROUPS, None) or ()), *(dataset.get(FRAME_GROUPS, None) or ())]
    for holder in (dataset, *groups):
        for name in ("RescaleSlope", "RescaleIntercept", "PixelValueTransformationSequence"):
            if name in holder:
                delattr(holder, name)
    dataset.PhotometricInterpretation = "MONOCHROME2"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.dcm"
        dataset.save_as(copy)
        return np.asarray(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(copy))))
