"""NIfTI files as stored scans."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.damage import reporting_damage
from d24fad_core.io.stored_scan import StoredScan
from d24fad_core.io.stored_voxels import StoredVoxels

# gzip cannot pack tighter than this; a header that promises more lies.
_LARGEST_GZIP_RATIO = 1040
_UNITS_IN_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
_KIND = "NIfTI image"


def open_nifti(path: Path) -> StoredScan:
    """Read the header of a .nii or .nii.gz file.

    Raises:
        InputError: the file is damaged, or holds no grey values.
    """
    with reporting_damage(path, _KIND):
        image = nibabel.load(path)
        stored = image.get_data_dtype()
        if stored.kind not in "iuf":
            raise InputError(
                f"{path}: values of type {'RGB' if stored.names else stored} (colour or complex "
                "numbers); give a grey-value image."
            )
        _check_size(path, image.shape, stored.itemsize)
        affine = np.array(image.affine, dtype=np.float64)
        affine[:3] *= _UNITS_IN_MM.get(image.header.get_xyzt_units()[0], 1.0)
        oriented = int(image.header["sform_code"]) or int(image.header["qform_code"])
    doubt = (
        "the NIfTI header has no orientation (sform and qform code 0); its voxel sizes are used, "
        "left and right are a guess."
    )
    return StoredScan(
        shape=image.shape,
        affine=affine,
        read=lambda: _read(image, path),
        read_slabs=lambda depth: _read_slabs(image.dataobj, path, depth),
        doubt=None if oriented else doubt,
    )


def _read(image: nibabel.Nifti1Image, path: Path) -> NDArray[np.float32]:
    # What float32 cannot hold is refused as infinite.
    with reporting_damage(path, _KIND), np.errstate(over="ignore"):
        return np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))


def _read_slabs(
    proxy: nibabel.arrayproxy.ArrayProxy, path: Path, depth: int
) -> Iterator[NDArray[np.float32]]:
    """The values as `get_fdata` gives them.

    Slicing the proxy itself would scale in another precision than it scales the whole.
    """
    stored = StoredVoxels(
        path,
        proxy.shape[:3],
        proxy.dtype,
        compressed=path.name.lower().endswith(".gz"),
        skipped=proxy.offset,
    )
    slope, inter = _in_float32(proxy.slope), _in_float32(proxy.inter)
    with reporting_damage(path, _KIND), np.errstate(over="ignore"):
        for slab in stored.slabs(depth):
            yield apply_read_scaling(slab, slope, inter).astype(np.float32)


def _in_float32(factor: float) -> NDArray[np.floating[Any]]:
    """As float32 where it fits."""
    exact = np.asarray(factor, dtype=np.float64)
    return exact.astype(np.float32) if np.can_cast(exact, np.float32) else exact


def _check_size(path: Path, shape: tuple[int, ...], bytes_per_voxel: int) -> None:
    """Refuse a header that promises more voxels than the file can hold, before memory is taken."""
    promised = int(np.prod([int(n) for n in shape], dtype=object)) * bytes_per_voxel
    size = path.stat().st_size
    ratio = _LARGEST_GZIP_RATIO if path.name.lower().endswith(".gz") else 1
    if promised > ratio * size:
        raise ValueError(f"{promised} bytes promised in a file of {size}")
