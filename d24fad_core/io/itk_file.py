"""NRRD and MetaImage files as stored scans."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.damage import reporting_damage
from d24fad_core.io.itk_header import find_voxels
from d24fad_core.io.stored_scan import StoredScan

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def open_itk(path: Path) -> StoredScan:
    """Read the header of a .nrrd, .nhdr, .mha or .mhd file.

    Raises:
        InputError: the file is damaged, or holds no grey values.
    """
    kind = "NRRD" if path.suffix.lower() in (".nrrd", ".nhdr") else "MetaImage"
    path.open("rb").close()  # SimpleITK does not tell a lack of rights from a damaged file
    with reporting_damage(path, f"{kind} image"):
        header = SimpleITK.ImageFileReader()
        header.SetFileName(str(path))
        header.ReadImageInformation()
    pixels = SimpleITK.GetPixelIDValueAsString(header.GetPixelID())
    if header.GetNumberOfComponents() > 1 or "complex" in pixels:
        raise InputError(
            f"{path}: values of type {pixels} with {header.GetNumberOfComponents()} components "
            "(colour, vectors or complex numbers); give a grey-value image."
        )
    placed = kind != "NRRD" or "NRRD_space" in header.GetMetaDataKeys()
    doubt = "the NRRD header names no space; its axes are taken for left, posterior, superior."
    return StoredScan(
        shape=header.GetSize(),
        affine=_affine(header),
        read=lambda: _stored_values(path, kind).astype(np.float32),
        read_slabs=lambda depth: _read_slabs(header, path, kind, depth),
        doubt=None if placed else doubt,
    )


def _affine(header: SimpleITK.ImageFileReader) -> NDArray[np.float64]:
    dimension = header.GetDimension()
    size = min(dimension, 3)
    direction = np.array(header.GetDirection()).reshape(dimension, dimension)
    affine = np.eye(4)
    affine[:size, :size] = (direction * np.array(header.GetSpacing()))[:size, :size]
    affine[:size, 3] = header.GetOrigin()[:size]
    result: NDArray[np.float64] = _LPS_TO_RAS @ affine
    return result


def _stored_values(path: Path, kind: str) -> NDArray[Any]:
    with reporting_damage(path, f"{kind} image"):
        values: NDArray[Any] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).T
        return values


def _read_slabs(
    header: SimpleITK.ImageFileReader, path: Path, kind: str, depth: int
) -> Iterator[NDArray[np.float32]]:
    """Forward through the file where its layout is a usual one, else from the whole in memory."""
    shape = header.GetSize()[:3]
    pixel = SimpleITK.GetArrayViewFromImage(SimpleITK.Image([1, 1, 1], header.GetPixelID()))
    stored = find_voxels(path, shape, pixel.dtype)
    if stored is None:
        values = _stored_values(path, kind).reshape(shape, order="F")
        for first in range(0, shape[2], depth):
            yield values[:, :, first : first + depth].astype(np.float32)
        return
    with reporting_damage(path, f"{kind} image"):
        for slab in stored.slabs(depth):
            yield slab.astype(np.float32)
