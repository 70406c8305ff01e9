"""NIfTI files as stored scans."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.damage import reporting_damage
from d24fad_core.io.stored_scan import StoredScan
from d24fad_core.io.stored_voxels import StoredVoxels

_UNITS_IN_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
_KIND = "NIfTI image"


def open_nifti(path: Path) -> StoredScan:
    """Read the header of a .nii or .nii.gz file.

    Raises:
        InputError: the file is damaged, or holds no grey values.
    """
    path.open("rb").close()  # nibabel does not tell a lack of rights from a damaged file
    with reporting_damage(path, _KIND):
        image = nibabel.load(path)
        data_type = image.get_data_dtype()
        if data_type.kind not in "iuf":
            raise InputError(
                f"{path}: values of type {'RGB' if data_type.names else data_type} "
                "(colour or complex numbers)",
                "give a grey-value image.",
            )
        affine = np.array(image.affine, dtype=np.float64)
        affine[:3] *= _UNITS_IN_MM.get(image.header.get_xyzt_units()[0], 1.0)
        doubt = _doubt(image.header)
    return StoredScan(
        shape=image.shape,
        affine=affine,
        read=lambda: _read(image.dataobj, path),
        read_slabs=lambda depth: _read_slabs(image.dataobj, path, depth),
        doubt=doubt,
    )


def _doubt(header: nibabel.Nifti1Header) -> str | None:
    """What a header does not say about the orientation, or says in two ways."""
    codes = [int(header[name]) for name in ("sform_code", "qform_code")]
    if not any(codes):
        return (
            "the NIfTI header has no orientation (sform and qform code 0); its voxel sizes are "
            "used, left and right are a guess."
        )
    # The rotation of a qform keeps the handedness, which is the sign of the first "size" alone.
    mirrored = (np.linalg.det(header.get_sform()[:3, :3]) < 0) != (header["pixdim"][0] < 0)
    if all(codes) and mirrored:
        return (
            "sform and qform of the NIfTI header are mirror images of each other; the sform is "
            "used, other programs may show left and right the other way round."
        )
    return None


def _read(proxy: ArrayProxy, path: Path) -> NDArray[np.float32]:
    """All values as `get_fdata` gives them; nibabel stops before the checksum of a packed file."""
    with reporting_damage(path, _KIND):
        return _scaled(_stored_voxels(proxy, path).whole(), proxy)


def _read_slabs(proxy: ArrayProxy, path: Path, depth: int) -> Iterator[NDArray[np.float32]]:
    """The same in slabs; slicing the proxy itself would scale in another precision."""
    with reporting_damage(path, _KIND):
        for slab in _stored_voxels(proxy, path).slabs(depth):
            yield _scaled(slab, proxy)


def _stored_voxels(proxy: ArrayProxy, path: Path) -> StoredVoxels:
    packed = path.name.lower().endswith(".gz")
    return StoredVoxels(path, proxy.shape[:3], proxy.dtype, compressed=packed, skipped=proxy.offset)


def _scaled(voxels: NDArray[Any], proxy: ArrayProxy) -> NDArray[np.float32]:
    """What float32 cannot hold becomes infinite, which is refused later."""
    slope, inter = _in_float32(proxy.slope), _in_float32(proxy.inter)
    with np.errstate(over="ignore"):
        values: NDArray[np.float32] = apply_read_scaling(voxels, slope, inter).astype(
            np.float32, copy=False
        )
    return values


def _in_float32(factor: float) -> NDArray[np.floating[Any]]:
    """As float32 where it fits."""
    exact = np.asarray(factor, dtype=np.float64)
    return exact.astype(np.float32) if np.can_cast(exact, np.float32) else exact
