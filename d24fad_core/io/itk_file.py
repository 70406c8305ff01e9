"""NRRD and MetaImage files as stored scans."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.damage import reporting_damage
from d24fad_core.io.dicom.geometry import MAXIMUM_TILT_DEGREES
from d24fad_core.io.itk_header import find_voxels, states_geometry
from d24fad_core.io.stored_scan import StoredScan
from d24fad_core.io.stored_voxels import StoredVoxels

_DOUBTS = {
    "NRRD": "the NRRD header does not name a space, its directions and its origin; what is missing "
    "is taken for left, posterior, superior.",
    "MetaImage": "the MetaImage header lacks TransformMatrix, Offset or ElementSpacing; what is "
    "missing is taken for left, posterior, superior, the origin or 1 mm.",
}
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
        placed = states_geometry(path)
    pixels = SimpleITK.GetPixelIDValueAsString(header.GetPixelID())
    if header.GetNumberOfComponents() > 1 or "complex" in pixels:
        raise InputError(
            f"{path}: values of type {pixels} with {header.GetNumberOfComponents()} components "
            "(colour, vectors or complex numbers)",
            "give a grey-value image.",
        )
    affine = _affine(header)
    _check_axes(affine, path)
    return StoredScan(
        shape=header.GetSize(),
        affine=affine,
        read=lambda: _read(header, path, kind),
        read_slabs=lambda depth: _read_slabs(header, path, kind, depth),
        doubt=None if placed else _DOUBTS[kind],
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


def _check_axes(affine: NDArray[np.float64], path: Path) -> None:
    """Refuse a grid whose axes are not perpendicular; it is tilted, or its header damaged."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(axes.T @ axes - np.eye(3))
    if not (cosines < np.sin(np.radians(MAXIMUM_TILT_DEGREES))).all():
        tilt = float(np.degrees(np.arcsin(min(1.0, cosines.max()))))
        raise InputError(
            f"{path}: its axes are not perpendicular (off by {tilt:.1f} degrees: a tilted gantry, "
            "or a damaged header)",
            "resample it to a rectangular grid first.",
        )


def _read(header: SimpleITK.ImageFileReader, path: Path, kind: str) -> NDArray[np.float32]:
    """All values; ITK stops before the checksum of a packed file, so it only reads rare layouts."""
    with reporting_damage(path, f"{kind} image"):
        voxels = _find_voxels(header, path)
        values = _values_of_rare_layout(path) if voxels is None else voxels.whole()
        return values.astype(np.float32, copy=False)


def _read_slabs(
    header: SimpleITK.ImageFileReader, path: Path, kind: str, depth: int
) -> Iterator[NDArray[np.float32]]:
    """Forward through the file where its layout is a usual one, else from the whole in memory."""
    with reporting_damage(path, f"{kind} image"):
        voxels = _find_voxels(header, path)
        if voxels is not None:
            for slab in voxels.slabs(depth):
                yield slab.astype(np.float32, copy=False)
            return
        shape = header.GetSize()[:3]
        values = _values_of_rare_layout(path).reshape(shape, order="F")
        for first in range(0, shape[2], depth):
            yield values[:, :, first : first + depth].astype(np.float32)


def _find_voxels(header: SimpleITK.ImageFileReader, path: Path) -> StoredVoxels | None:
    pixel = SimpleITK.GetArrayViewFromImage(SimpleITK.Image([1, 1, 1], header.GetPixelID()))
    return find_voxels(path, header.GetSize()[:3], pixel.dtype)


def _values_of_rare_layout(path: Path) -> NDArray[Any]:
    values: NDArray[Any] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).T
    return values
