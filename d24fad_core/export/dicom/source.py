"""The DICOM series that was analysed: what derived objects refer to and lie on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from d24fad_core.errors import InputError
from d24fad_core.io.dicom.series import dicom_files
from d24fad_core.volumes.volume import Modality

_MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_AFFINE_TOLERANCE_MM = 1e-2
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class DicomSource:
    """The images of a series, one a slice.

    Attributes:
        images: their headers, in the order of the slices of the volume that was analysed.
        modality: CT or MR.
    """

    images: tuple[Dataset, ...]
    modality: Modality

    @property
    def series_uid(self) -> str:
        """Series instance UID of the source."""
        return str(self.images[0].SeriesInstanceUID)

    def frames(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn a volume (columns, rows, slices) into DICOM's frames (slices, rows, columns)."""
        return np.ascontiguousarray(array.transpose(2, 1, 0))


def read_source(folder: Path, shape: Sequence[int], affine: NDArray[np.float64]) -> DicomSource:
    """Read the headers of the series that a result lies on.

    Args:
        folder: holds the series, one image a slice.
        shape: shape of the result's arrays, (columns, rows, slices).
        affine: the result's 4x4 matrix from voxel index to RAS mm.

    Raises:
        InputError: the series is not the one that was analysed, or has several frames in a file.
    """
    images = read_headers(folder)
    if not images:
        raise InputError(f"{folder}: no CT or MR image", "give the folder of the analysed series.")
    if any(int(image.get("NumberOfFrames", 1) or 1) > 1 for image in images):
        raise InputError(
            f"{folder}: a multi-frame image; DICOM results are written for series with one image "
            "a slice only.",
            "Use the NIfTI results.",
        )
    first = images[0]
    normal = np.cross(first.ImageOrientationPatient[:3], first.ImageOrientationPatient[3:])
    images.sort(key=lambda image: float(np.dot(image.ImagePositionPatient, normal)))
    _check_grid(images, shape, affine, folder)
    if len({str(image.get("FrameOfReferenceUID", "")) for image in images} - {""}) != 1:
        raise InputError(
            f"{folder}: the images do not share one FrameOfReferenceUID, so nothing can be placed "
            "on them in DICOM",
            "use the NIfTI results.",
        )
    distance = float(np.linalg.norm(affine[:3, 2]))
    for image in images:
        _complete(image, distance)
    return DicomSource(tuple(images), Modality(str(first.Modality)))


def read_headers(folder: Path) -> list[Dataset]:
    """The headers of the CT and MR images in a folder, in no order."""
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in dicom_files(folder)]
    return [h for h in headers if str(h.get("Modality", "")) in {m.value for m in Modality}]


def in_unicode(dataset: Dataset) -> Dataset:
    """Have an object written in UTF-8 (PS3.3, C.12.1.1.2), which has the letters of every source.

    Names are copied from the source as text, but not the character set that they were in.
    """
    dataset.SpecificCharacterSet = "ISO_IR 192"
    return dataset


def _complete(image: Dataset, slice_distance: float) -> None:
    """Add what a source may leave out but a derived object has to copy (PS3.3, Type 2)."""
    for name in _MAY_BE_EMPTY:
        if name not in image:
            setattr(image, name, "")
    if not image.get("SliceThickness"):
        image.SliceThickness = f"{slice_distance:.6g}"


def _check_grid(
    images: Sequence[Dataset], shape: Sequence[int], affine: NDArray[np.float64], folder: Path
) -> None:
    """Refuse a series whose slices are not those of the volume, one by one."""
    grid = (int(images[0].Columns), int(images[0].Rows), len(images))
    if grid != tuple(shape):
        raise InputError(
            f"{folder}: a series of shape {grid}, but the result has {tuple(shape)}",
            "give the series that was analysed.",
        )
    lps = _LPS_TO_RAS @ affine
    for index, image in enumerate(images):
        expected = lps[:3, :3] @ [0, 0, index] + lps[:3, 3]
        distance = float(np.linalg.norm(np.asarray(image.ImagePositionPatient, float) - expected))
        # A scanner rounds positions; half a slice off would be another slice.
        if distance > max(_AFFINE_TOLERANCE_MM, 0.1 * float(np.linalg.norm(lps[:3, 2]))):
            raise InputError(
                f"{folder}: slice {index + 1} lies {distance:.2f} mm from where the result has it",
                "give the series that was analysed.",
            )
