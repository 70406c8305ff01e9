"""Reading studies: NIfTI, NRRD and MetaImage files, and folders with a DICOM series."""

import math
import warnings
from pathlib import Path

import numpy as np

from d24fad_core.errors import InputError
from d24fad_core.io.dicom.pixels import read_pixel_slabs, read_pixels
from d24fad_core.io.dicom.series import (
    DICOM_SUFFIXES,
    DicomSeries,
    holds_dicom,
    is_dicom_file,
    open_dicom_file,
    open_dicom_folder,
)
from d24fad_core.io.itk_file import open_itk
from d24fad_core.io.known_checksum import check_known_checksum
from d24fad_core.io.large_scan import read_reduced
from d24fad_core.io.nifti_file import open_nifti
from d24fad_core.io.stored_scan import StoredScan
from d24fad_core.volumes.modality import guess_modality
from d24fad_core.volumes.volume import Modality, Volume
from d24fad_core.volumes.voxel_checks import VoxelCheck, check_voxel_size, checked_shape

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
READING_SCHEMA = 2
"""Raised whenever the same file gives other voxels, another place or another modality, or is
refused now: what is known of files from earlier readings is then void."""

FORMATS = f"{', '.join((*NIFTI_SUFFIXES, *ITK_SUFFIXES))} or a folder with one DICOM series"


class GeometryWarning(UserWarning):
    """A file does not say where in the patient its voxels lie; only their size is known."""


def read_volume(path: Path, modality: Modality | None = None, largest: int | None = None) -> Volume:
    """Read a study with its geometry and modality.

    Args:
        path: a .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd file, a multi-frame DICOM file, or a
            folder that holds one DICOM series.
        modality: what the values are, where the file does not say it. Without it, values that
            look like HU are taken for CT and all others for MR.
        largest: a scan of more voxels is reduced while it is read, slab by slab; None reads every
            scan whole. Multi-frame DICOM and rare layouts of NRRD and MetaImage are read whole
            first all the same.

    Returns:
        The volume on its source grid (on a coarser one where it says `reduction`), affine in RAS
        mm, its array in Fortran order as scanners store it (turning a large scan takes longer than
        reading it); its name is the file's or the folder's.

    Raises:
        InputError: the study does not exist, cannot be read, has another checksum than lies beside
            it, or is not a 3-D grey-value image of at least 2 slices with finite, varying values.

    Warns:
        GeometryWarning: the file states voxel sizes but no orientation, or two that differ.
    """
    volume, doubt = read_volume_and_doubt(path, modality, largest)
    if doubt is not None:
        warnings.warn(f"{path.name}: {doubt}", GeometryWarning, stacklevel=2)
    return volume


def read_volume_and_doubt(
    path: Path, modality: Modality | None, largest: int | None
) -> tuple[Volume, str | None]:
    """As `read_volume`, with what it would warn of instead of the warning."""
    name = study_name(path)
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder", "check the path.")
        if path.is_dir() and not holds_dicom(path) and (studies := find_studies(path)):
            raise InputError(
                f"{path}: a folder of {len(studies)} studies",
                f"give one, such as {studies[0]}.",
            )
        check_known_checksum(path)
        scan = _open(path)
        if scan.modality is not None and modality not in (None, scan.modality):
            raise InputError(
                f"{path}: the DICOM header says {scan.modality.value}, not {modality.value}",
                "leave the modality out.",
            )
        check_voxel_size(scan.affine, path)
        if largest is not None and math.prod(scan.shape) > largest:
            volume = read_reduced(scan, path, name, modality, largest)
        else:
            volume = _read_whole(scan, path, name, modality)
    except OSError as error:
        raise InputError(
            f"{error.filename or path}: cannot be read ({error.strerror or error})",
            "check the path and its rights.",
        ) from error
    except MemoryError as error:
        raise InputError(
            f"{path}: too large for the memory of this computer",
            "crop or resample it first.",
        ) from error
    return volume, scan.doubt


def _read_whole(scan: StoredScan, path: Path, name: str, modality: Modality | None) -> Volume:
    shape = checked_shape(scan.shape, path)
    array = np.asfortranarray(scan.read().reshape(shape, order="F"))
    check = VoxelCheck()
    check.add(array)
    check.finish(path)
    if scan.modality is not None:
        return Volume(array, scan.affine, scan.modality, name, "header", acquired=scan.acquired)
    if modality is not None:
        return Volume(array, scan.affine, modality, name, "given")
    return Volume(array, scan.affine, guess_modality(array), name, "guessed")


def find_studies(folder: Path) -> list[Path]:
    """The studies directly in a folder: image files by suffix, and sub-folders with DICOM images.

    Hidden files and folders are passed over.

    Returns:
        Paths sorted by name; empty where there is none.

    Raises:
        InputError: the folder does not exist or is a file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", "check the path.")
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and (holds_dicom(path) if path.is_dir() else image_suffix(path) is not None)
    )


def study_name(path: Path) -> str:
    """A study's name: the file's without its suffix, or the folder's."""
    name = path.absolute().name
    if path.is_dir():
        return name
    if path.suffix.lower() in DICOM_SUFFIXES:
        return path.stem
    return name[: -len(image_suffix(path) or "")] or name


def image_suffix(path: Path) -> str | None:
    """The suffix of a supported image file as it stands in the name; None for all others."""
    for suffix in (*NIFTI_SUFFIXES, *ITK_SUFFIXES):
        if path.name.lower().endswith(suffix):
            return path.name[-len(suffix) :]
    return None


def _open(path: Path) -> StoredScan:
    if path.is_dir() or (image_suffix(path) is None and is_dicom_file(path)):
        return _stored_series(open_dicom_folder(path) if path.is_dir() else open_dicom_file(path))
    suffix = image_suffix(path)
    if suffix is None:
        raise InputError(f"{path}: not a format that can be read", f"give {FORMATS}.")
    return open_nifti(path) if suffix.lower() in NIFTI_SUFFIXES else open_itk(path)


def _stored_series(series: DicomSeries) -> StoredScan:
    return StoredScan(
        shape=series.shape,
        affine=series.affine,
        read=lambda: read_pixels(series.slices),
        read_slabs=lambda depth: read_pixel_slabs(series.slices, depth),
        modality=series.modality,
        acquired=series.acquired,
    )
