"""Reading studies: NIfTI, NRRD and MetaImage files, and folders with a DICOM series."""

import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray

from d24fad_core.data.damage import reporting_damage
from d24fad_core.data.dicom_series import (
    DICOM_SUFFIXES,
    holds_dicom,
    is_dicom_file,
    read_dicom_file,
    read_dicom_folder,
)
from d24fad_core.data.volume import Modality, Volume
from d24fad_core.errors import InputError

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
FORMATS = f"{', '.join((*NIFTI_SUFFIXES, *ITK_SUFFIXES))} or a folder with one DICOM series"

# HU of air and below what any MR scanner stores as magnitude.
_CT_MINIMUM = -500.0
_AIR_HU = (-1100.0, -700.0)
# gzip cannot pack tighter than this; a header that promises more lies.
_LARGEST_GZIP_RATIO = 1040
_UNITS_IN_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


class GeometryWarning(UserWarning):
    """A file does not say where in the patient its voxels lie; only their size is known."""


def read_volume(path: Path, modality: Modality | None = None) -> Volume:
    """Read a study with its geometry and modality.

    Args:
        path: a .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd file, a multi-frame DICOM file, or a
            folder that holds one DICOM series.
        modality: what the values are, where the file does not say it. Without it, values that
            look like HU are taken for CT and all others for MR.

    Returns:
        The volume on its source grid, affine in RAS mm, its array in Fortran order as scanners
        store it (turning a large scan takes longer than reading it); its name is the file's or
        the folder's.

    Raises:
        InputError: the study does not exist, cannot be read, or is not a 3-D grey-value image of
            at least 2 slices with finite, varying values.

    Warns:
        GeometryWarning: the file states voxel sizes but no orientation.
    """
    name = study_name(path)
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the path.")
        if path.is_dir() and not holds_dicom(path) and (studies := find_studies(path)):
            raise InputError(
                f"{path}: a folder of {len(studies)} studies; give one, such as {studies[0]}."
            )
        if path.is_dir() or (_suffix(path) is None and is_dicom_file(path)):
            series = read_dicom_folder(path) if path.is_dir() else read_dicom_file(path)
            if modality not in (None, series.modality):
                raise InputError(
                    f"{path}: the DICOM header says {series.modality.value}, not "
                    f"{modality.value}; leave the modality out."
                )
            values = _checked(series.array, path)
            return Volume(values, series.affine, series.modality, name, "header")
        array, affine = _reader(path)(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); check the path and its rights."
        ) from error
    except MemoryError as error:
        raise InputError(
            f"{path}: too large for the memory of this computer; crop or resample it first."
        ) from error
    array = _checked(array, path)
    if modality is not None:
        return Volume(array, affine, modality, name, "given")
    return Volume(array, affine, guess_modality(array), name, "guessed")


def find_studies(folder: Path) -> list[Path]:
    """The studies directly in a folder: image files by suffix, and sub-folders with DICOM images.

    Hidden files and folders are passed over.

    Returns:
        Paths sorted by name; empty where there is none.

    Raises:
        InputError: the folder does not exist or is a file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; check the path.")
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and (holds_dicom(path) if path.is_dir() else _suffix(path) is not None)
    )


def study_name(path: Path) -> str:
    """A study's name: the file's without its suffix, or the folder's."""
    name = path.absolute().name
    if path.is_dir():
        return name
    if path.suffix.lower() in DICOM_SUFFIXES:
        return path.stem
    return name[: -len(_suffix(path) or "")] or name


def guess_modality(array: NDArray[np.float32]) -> Modality:
    """CT where the values look like HU, else MR.

    HU reach far below zero in air, and are whole numbers or (once resampled) mostly those of air
    and lung down there.
    """
    low = array[array <= _CT_MINIMUM]
    if low.size == 0:
        return Modality.MR
    whole = bool((low == np.rint(low)).mean() > 0.99)
    air = _AIR_HU[0] <= float(np.median(low)) <= _AIR_HU[1]
    return Modality.CT if whole or air else Modality.MR


def _suffix(path: Path) -> str | None:
    """The suffix of a supported image file as it stands in the name; None for all others."""
    for suffix in (*NIFTI_SUFFIXES, *ITK_SUFFIXES):
        if path.name.lower().endswith(suffix):
            return path.name[-len(suffix) :]
    return None


def _reader(path: Path) -> Callable[[Path], tuple[NDArray[np.float32], NDArray[np.float64]]]:
    suffix = _suffix(path)
    if suffix is None:
        raise InputError(f"{path}: not a format that can be read; give {FORMATS}.")
    return _read_nifti if suffix.lower() in NIFTI_SUFFIXES else _read_itk


def _read_nifti(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    with reporting_damage(path, "NIfTI image"):
        image = nibabel.load(path)
        stored = image.get_data_dtype()
        if stored.kind not in "iuf":
            raise InputError(
                f"{path}: values of type {'RGB' if stored.names else stored} (colour or complex "
                "numbers); give a grey-value image."
            )
        _check_size(path, image.shape, stored.itemsize)
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            array = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
        affine = np.array(image.affine, dtype=np.float64)
        affine[:3] *= _UNITS_IN_MM.get(image.header.get_xyzt_units()[0], 1.0)
        oriented = int(image.header["sform_code"]) or int(image.header["qform_code"])
    if not oriented:
        warnings.warn(
            f"{path.name}: the NIfTI header has no orientation (sform and qform code 0); its voxel "
            "sizes are used, left and right are a guess.",
            GeometryWarning,
            stacklevel=3,
        )
    return array, affine


def _check_size(path: Path, shape: tuple[int, ...], bytes_per_voxel: int) -> None:
    """Refuse a header that promises more voxels than the file can hold, before memory is taken."""
    promised = int(np.prod([int(n) for n in shape], dtype=object)) * bytes_per_voxel
    size = path.stat().st_size
    ratio = _LARGEST_GZIP_RATIO if path.name.lower().endswith(".gz") else 1
    if promised > ratio * size:
        raise ValueError(f"{promised} bytes promised in a file of {size}")


def _read_itk(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    kind = "NRRD" if path.suffix.lower() in (".nrrd", ".nhdr") else "MetaImage"
    path.open("rb").close()  # SimpleITK does not tell a lack of rights from a damaged file
    with reporting_damage(path, f"{kind} image"):
        image = SimpleITK.ReadImage(str(path))
    if image.GetNumberOfComponentsPerPixel() > 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(
            f"{path}: values of type {image.GetPixelIDTypeAsString()} with "
            f"{image.GetNumberOfComponentsPerPixel()} components (colour, vectors or complex "
            "numbers); give a grey-value image."
        )
    if kind == "NRRD" and "NRRD_space" not in image.GetMetaDataKeys():
        warnings.warn(
            f"{path.name}: the NRRD header names no space; its axes are taken for left, posterior, "
            "superior.",
            GeometryWarning,
            stacklevel=3,
        )
    array = SimpleITK.GetArrayFromImage(image).T.astype(np.float32)
    size = min(image.GetDimension(), 3)
    dimension = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(dimension, dimension)
    affine = np.eye(4)
    affine[:size, :size] = (direction * np.array(image.GetSpacing()))[:size, :size]
    affine[:size, 3] = image.GetOrigin()[:size]
    return array, _LPS_TO_RAS @ affine


def _checked(array: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """The array without trailing axes of length 1, or the reason why it cannot be analysed."""
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    shape = " x ".join(str(n) for n in array.shape)
    if array.ndim > 3:
        raise InputError(
            f"{path}: {shape} is a series of 3-D images (time points, echoes or directions); give "
            "one of them as a 3-D image."
        )
    if array.ndim < 3 or min(array.shape) < 2:
        raise InputError(
            f"{path}: {shape} is one slice; a volume needs at least 2 slices along every axis. "
            "Give the whole 3-D series."
        )
    if wrong := int(array.size - np.isfinite(array).sum()):
        raise InputError(
            f"{path}: {wrong} voxel{'s are' if wrong > 1 else ' is'} NaN or infinite; replace "
            "them (for example by the background value) and give it again."
        )
    if array.min() == array.max():
        raise InputError(
            f"{path}: every voxel is {array.flat[0]:g}; the image is empty. Export it again."
        )
    return np.asfortranarray(array)
