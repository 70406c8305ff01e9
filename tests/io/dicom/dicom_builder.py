"""Writes DICOM series for the tests, from an array and its RAS affine."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DSfloat

SOP_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
}
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def decimals(values: Sequence[float] | NDArray[np.float64]) -> list[DSfloat]:
    return [DSfloat(float(value), auto_format=True) for value in values]


def plane_of(
    affine: NDArray[np.float64], index: int
) -> tuple[list[DSfloat], list[DSfloat], list[DSfloat]]:
    """ImagePositionPatient, ImageOrientationPatient and PixelSpacing of slice `index`."""
    lps = LPS_TO_RAS @ affine
    columns, rows = (float(np.linalg.norm(lps[:3, axis])) for axis in (0, 1))
    orientation = np.concatenate([lps[:3, 0] / columns, lps[:3, 1] / rows])
    position = lps[:3, 3] + index * lps[:3, 2]
    return decimals(position), decimals(orientation), decimals([rows, columns])


def new_image(path: Path, sop_class: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.is_little_endian, image.is_implicit_VR = True, False
    image.SOPClassUID = sop_class
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID = "1.2.3.4"
    image.PatientName, image.PatientID = "Doe^Jane", "4711-X"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation = 1
    return image


def write_series(
    folder: Path,
    array: NDArray[np.int16],
    affine: NDArray[np.float64],
    *,
    modality: str = "MR",
    number: int = 1,
    description: str = "AX FLAIR",
    leave_out: Sequence[int] = (),
    rescale: Sequence[tuple[float, float]] | None = None,
    prefix: str = "image",
) -> list[Path]:
    """Write one file a slice; `array` holds stored values of shape (columns, rows, slices).

    The order of the names is not that of the slices. Values of CT are HU unless rescaled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = generate_uid()
    order = np.random.default_rng(number).permutation(array.shape[2])
    paths = []
    for index in range(array.shape[2]):
        if index in leave_out:
            continue
        path = folder / f"{prefix}{order[index]:04d}.dcm"
        image = new_image(path, SOP_CLASSES[modality])
        image.Modality, image.SeriesInstanceUID = modality, series_uid
        image.SeriesNumber, image.SeriesDescription = number, description
        image.InstanceNumber = index + 1
        image.Columns, image.Rows = array.shape[:2]
        position, orientation, spacing = plane_of(affine, index)
        image.ImagePositionPatient, image.ImageOrientationPatient = position, orientation
        image.PixelSpacing = spacing
        if rescale is None and modality == "CT":
            image.RescaleSlope, image.RescaleIntercept = "1", "0"
        if rescale is not None:
            image.RescaleSlope, image.RescaleIntercept = decimals(rescale[index])
        image.PixelData = np.ascontiguousarray(array[:, :, index].T).astype("<i2").tobytes()
        image.save_as(path, write_like_original=False)
        paths.append(path)
    return paths


def write_enhanced(
    path: Path,
    array: NDArray[np.int16],
    affine: NDArray[np.float64],
    rescale: Sequence[tuple[float, float]],
) -> None:
    """Write one multi-frame MR image; frames stand in reverse order, each with its own rescale."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = new_image(path, ENHANCED_MR)
    image.Modality, image.SeriesInstanceUID, image.SeriesNumber = "MR", generate_uid(), 7
    image.Columns, image.Rows, image.NumberOfFrames = array.shape
    shared, frames = Dataset(), []
    order = list(reversed(range(array.shape[2])))
    for index in order:
        position, orientation, spacing = plane_of(affine, index)
        frame, place, transformation = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = position
        transformation.RescaleSlope, transformation.RescaleIntercept = decimals(rescale[index])
        frame.PlanePositionSequence = DicomSequence([place])
        frame.PixelValueTransformationSequence = DicomSequence([transformation])
        frames.append(frame)
        plane, measures = Dataset(), Dataset()
        plane.ImageOrientationPatient, measures.PixelSpacing = orientation, spacing
        shared.PlaneOrientationSequence = DicomSequence([plane])
        shared.PixelMeasuresSequence = DicomSequence([measures])
    image.SharedFunctionalGroupsSequence = DicomSequence([shared])
    image.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
    pixels = array[:, :, order].transpose(2, 1, 0)
    image.PixelData = np.ascontiguousarray(pixels).astype("<i2").tobytes()
    image.save_as(path, write_like_original=False)


def change(path: Path, **attributes: object) -> None:
    """Rewrite attributes of a file; None removes one."""
    image = pydicom.dcmread(path)
    for name, value in attributes.items():
        if value is None:
            delattr(image, name)
        else:
            setattr(image, name, value)
    image.save_as(path)


def declare_padding(path: Path, value: int, limit: int | None = None) -> None:
    """Say which stored values are padding, in the type of the pixels."""
    image = pydicom.dcmread(path)
    kind = "SS" if image.PixelRepresentation else "US"
    image.add_new("PixelPaddingValue", kind, value)
    if limit is not None:
        image.add_new("PixelPaddingRangeLimit", kind, limit)
    image.save_as(path)
