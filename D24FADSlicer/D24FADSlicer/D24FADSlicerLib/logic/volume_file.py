"""NIfTI files with numpy alone: what is uploaded to the server and what comes back."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .language import tr as _
from .messages import ExplainedError

_HEADER_BYTES = 348
_CODES: dict[int, np.dtype[Any]] = {
    2: np.dtype(np.uint8),
    4: np.dtype(np.int16),
    8: np.dtype(np.int32),
    16: np.dtype(np.float32),
    64: np.dtype(np.float64),
    256: np.dtype(np.int8),
    512: np.dtype(np.uint16),
    768: np.dtype(np.uint32),
}
_PIECE_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class VolumeData:
    """Voxels with their place.

    Attributes:
        array: shape (K, J, I), as Slicer keeps it: the first voxel axis runs fastest.
        affine: 4x4 matrix from voxel index (i, j, k) to RAS mm.
    """

    array: NDArray[Any]
    affine: NDArray[np.float64]


def write_nifti(path: Path, volume: VolumeData) -> str:
    """Write a .nii.gz whose bytes depend on nothing but the volume.

    Args:
        path: where to write.
        volume: the voxels; types that NIfTI lacks are written as float32.

    Returns:
        The file's SHA-256 in hexadecimal digits.
    """
    array = volume.array
    code = next((c for c, kind in _CODES.items() if kind == array.dtype), None)
    if code is None:
        array, code = array.astype(np.float32), 16
    array = np.ascontiguousarray(array)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as file:
        file.write(_header(array, volume.affine, code) + b"\0\0\0\0")
        flat = array.data.cast("B")
        for start in range(0, len(flat), _PIECE_BYTES):
            file.write(flat[start : start + _PIECE_BYTES])
    return hash_file(path)


def content_of(volume: VolumeData) -> str:
    """A fingerprint of voxels and place, to know a volume again without writing it."""
    digest = hashlib.sha256(repr((volume.array.dtype.str, volume.array.shape)).encode())
    digest.update(np.round(volume.affine, 5).tobytes())
    digest.update(np.ascontiguousarray(volume.array).data.cast("B"))
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(_PIECE_BYTES), b""):
            digest.update(piece)
    return digest.hexdigest()


def _header(array: NDArray[Any], affine: NDArray[np.float64], code: int) -> bytes:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    depth, rows, columns = array.shape
    header = bytearray(_HEADER_BYTES)
    struct.pack_into("<i", header, 0, _HEADER_BYTES)
    struct.pack_into("<8h", header, 40, 3, columns, rows, depth, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, code, array.dtype.itemsize * 8)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 0, 0, 0, 0)
    struct.pack_into("<fff", header, 108, 352.0, 1.0, 0.0)
    struct.pack_into("<B", header, 123, 2)  # mm
    struct.pack_into("<hh", header, 252, 0, 1)  # the affine is in the sform
    for row in range(3):
        struct.pack_into("<4f", header, 280 + 16 * row, *affine[row])
    header[344:348] = b"n+1\0"
    return bytes(header)


def read_nifti(path: Path) -> VolumeData:
    """Read a .nii or .nii.gz of three dimensions, its scaling applied.

    Raises:
        ExplainedError: the file is damaged or not a NIfTI volume.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return _parse(content)
    except (OSError, EOFError, zlib.error, struct.error, ValueError, KeyError) as error:
        raise ExplainedError(
            _("A volume from the server is damaged ({error}).").format(error=error),
            _("Press Analyse again; if it stays so, look into the server's log."),
            "damaged_volume",
        ) from error


def _parse(content: bytes) -> VolumeData:
    order: Literal["<", ">"] = "<" if struct.unpack_from("<i", content)[0] == _HEADER_BYTES else ">"
    if struct.unpack_from(f"{order}i", content)[0] != _HEADER_BYTES:
        raise ValueError("not a NIfTI header")
    dimensions = struct.unpack_from(f"{order}8h", content, 40)
    if dimensions[0] < 3 or any(size != 1 for size in dimensions[4 : dimensions[0] + 1]):
        raise ValueError(f"{dimensions[0]} dimensions")
    kind = _CODES[struct.unpack_from(f"{order}h", content, 70)[0]].newbyteorder(order)
    offset, slope, intercept = struct.unpack_from(f"{order}fff", content, 108)
    shape = dimensions[3], dimensions[2], dimensions[1]
    stored = np.frombuffer(content, kind, int(np.prod(shape)), int(offset)).reshape(shape)
    scaled = slope not in (0.0, 1.0) or intercept != 0.0
    if scaled and np.isfinite(slope):
        array = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    else:
        array = stored.astype(kind.newbyteorder("="))
    return VolumeData(array, _affine(content, order))


def _affine(content: bytes, order: str) -> NDArray[np.float64]:
    affine = np.eye(4)
    quaternion_code, matrix_code = struct.unpack_from(f"{order}hh", content, 252)
    if matrix_code > 0:
        rows = struct.unpack_from(f"{order}12f", content, 280)
        affine[:3] = np.reshape(rows, (3, 4))
        return affine
    if quaternion_code <= 0:
        raise ValueError("no position in space")
    spacing = struct.unpack_from(f"{order}8f", content, 76)
    b, c, d, x, y, z = struct.unpack_from(f"{order}6f", content, 256)
    a = max(0.0, 1.0 - b * b - c * c - d * d) ** 0.5
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    flip = -1.0 if spacing[0] < 0 else 1.0
    affine[:3, :3] = rotation * np.array([spacing[1], spacing[2], spacing[3] * flip])
    affine[:3, 3] = x, y, z
    return affine
