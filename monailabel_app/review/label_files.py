"""A whole label drawn in another program: read to its end, on the grid of the image."""

import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from numpy.typing import NDArray

from monailabel_app.analysis.encodings import require_binary, whole_numbers
from monailabel_app.analysis.results import StoredResult
from monailabel_app.failures import RequestError

_GRID_TOLERANCE_MM = 1e-2
_READ_BYTES = 1 << 20


def read_label(path: Path, stored_result: StoredResult) -> NDArray[np.uint8]:
    """The label in a file, in the order of the image's own array.

    Args:
        path: NIfTI, NRRD or MetaImage.
        stored_result: a result of the image.

    Raises:
        RequestError: it is cut off or damaged, not on the image's grid, or has voxels other than
            0 and 1.
    """
    try:
        shape, affine = _grid(path)
        grid = nib.load(stored_result.mask)
        # Programs may turn the axes of what they write; the voxels stay where they are.
        turned = ornt_transform(io_orientation(affine), io_orientation(grid.affine))
        order = np.argsort(turned[:, 0]).astype(int) if len(shape) == 3 else np.arange(len(shape))
        if len(shape) == 3:
            affine = affine @ nib.orientations.inv_ornt_aff(turned, shape)
        require_grid(tuple(shape[axis] for axis in order), affine, stored_result)
        voxels = whole_numbers(_voxels(path))
    except (ImageFileError, OSError, EOFError, ValueError, RuntimeError, zlib.error) as error:
        raise RequestError(
            "unreadable_image",
            "The label cannot be read as an image to its end.",
            "Send a whole file.",
        ) from error
    label: NDArray[np.uint8] = apply_orientation(voxels, turned)
    require_binary(label)
    return label


def require_grid(
    shape: tuple[int, ...], affine: NDArray[np.float64], stored_result: StoredResult
) -> None:
    """Refuse a mask that does not lie on the voxels of the image.

    Raises:
        RequestError: shape or place differ.
    """
    image = nib.load(stored_result.mask)
    if shape != image.shape:
        raise RequestError(
            "unsuitable_image",
            f"The mask (shape {shape}) is not on the grid of the image (shape {image.shape}).",
            "Draw it on the image that was analysed.",
        )
    away = float(np.abs(affine - image.affine).max())
    if not away <= _GRID_TOLERANCE_MM:
        raise RequestError(
            "unsuitable_image",
            f"The mask lies elsewhere than the image (its affine is {away:.3g} mm off).",
            "Draw it on the image that was analysed.",
        )


def _grid(path: Path) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Shape and affine (RAS, mm), by the header alone."""
    if _is_nifti(path):
        image = nib.load(path)
        return tuple(image.shape), image.affine
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    shape = tuple(reader.GetSize())
    affine = np.eye(4)
    if len(shape) == 3:
        direction = np.reshape(reader.GetDirection(), (3, 3))
        affine[:3, :3] = direction @ np.diag(reader.GetSpacing())
        affine[:3, 3] = reader.GetOrigin()
    return shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _voxels(path: Path) -> NDArray[np.generic]:
    """The voxels, shape (I, J, K)."""
    if not _is_nifti(path):
        array: NDArray[np.generic] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        return array.transpose()
    if path.name.lower().endswith(".gz"):
        with gzip.open(path) as stream:
            # nibabel stops before the checksum.
            while stream.read(_READ_BYTES):
                pass
    return np.asanyarray(nib.load(path).dataobj)


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))
