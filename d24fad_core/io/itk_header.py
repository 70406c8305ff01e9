"""Where the voxels lie that a NRRD or MetaImage header describes.

SimpleITK reads the headers, but keeps to itself where the voxels begin, and can only read a packed
file whole. NRRD: https://teem.sourceforge.net/nrrd/format.html; MetaImage:
https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from d24fad_core.io.stored_voxels import StoredVoxels

_LONGEST_HEADER = 1 << 20
_Fields = dict[str, str]
# One of each set places the voxels.
_NRRD_PLACING = ({"space", "spacedimension"}, {"spacedirections"}, {"spaceorigin"})
_META_PLACING = (
    {"transformmatrix", "rotation", "orientation"},
    {"offset", "position", "origin"},
    {"elementspacing", "elementsize"},
)


def find_voxels(
    path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> StoredVoxels | None:
    """Find the voxels.

    Args:
        path: a .nrrd, .nhdr, .mha or .mhd file with a header that SimpleITK could read.
        shape: voxels along each axis.
        dtype: type of a value; the header knows its byte order.

    Returns:
        None where they are laid out in an unusual way: as text, spread over several files, with
        another packing or behind something else.
    """
    nrrd = _is_nrrd(path)
    fields, start = _read_header(path, _nrrd_field if nrrd else _meta_field)
    compressed = _nrrd_packing(fields) if nrrd else _meta_packing(fields)
    beside = _beside(fields, nrrd=nrrd)
    if compressed is None or (beside and (beside.startswith("LIST") or "%" in beside)):
        return None
    if beside and beside != "LOCAL":
        path, start = path.parent / beside, 0
    big = fields.get("endian", "little") == "big" if nrrd else _meta_is_big(fields)
    return StoredVoxels(path, shape, dtype.newbyteorder(">" if big else "<"), start, compressed)


def lies_alone(path: Path) -> bool:
    """Whether the voxels are in the file itself, which may be no file that can be read."""
    nrrd = _is_nrrd(path)
    fields, _ = _read_header(path, _nrrd_field if nrrd else _meta_field)
    return _beside(fields, nrrd=nrrd) in (None, "LOCAL")


def states_geometry(path: Path) -> bool:
    """Whether a header says where in the patient the voxels lie; readers put in what is missing."""
    nrrd = _is_nrrd(path)
    fields, _ = _read_header(path, _nrrd_field if nrrd else _meta_field)
    return all(fields.keys() & names for names in (_NRRD_PLACING if nrrd else _META_PLACING))


def _is_nrrd(path: Path) -> bool:
    return path.suffix.lower() in (".nrrd", ".nhdr")


def _beside(fields: _Fields, *, nrrd: bool) -> str | None:
    """Where the header says that the voxels are; None where a NRRD header does not say it."""
    beside = fields.get("datafile") if nrrd else fields.get("elementdatafile", "LIST")
    if beside is not None and not (beside.isascii() and beside.isprintable()):
        raise ValueError("voxels in place of a file's name")  # which would end ITK's process
    return beside


def _read_header(path: Path, parse: Callable[[str], tuple[str, str] | None]) -> tuple[_Fields, int]:
    """The fields of a header, names in lower case without blanks, and where it ends.

    A NRRD header ends with an empty line, that of MetaImage with the name of the data file.
    """
    fields: _Fields = {}
    with path.open("rb") as file:
        while file.tell() < _LONGEST_HEADER and (line := file.readline(_LONGEST_HEADER)):
            text = line.decode("latin-1").strip()
            if not text:
                break
            if field := parse(text):
                fields[field[0].lower().replace(" ", "")] = field[1].strip()
            if "elementdatafile" in fields:
                break
        return fields, file.tell()


def _nrrd_field(line: str) -> tuple[str, str] | None:
    name, separator, value = line.partition(": ")
    return (name, value) if separator and not line.startswith("#") and ":=" not in line else None


def _meta_field(line: str) -> tuple[str, str] | None:
    name, separator, value = line.partition("=")
    if not separator:
        raise ValueError("a line of the header without '='")  # readers join it to the next one
    return name, value


def _nrrd_packing(fields: _Fields) -> bool | None:
    """Whether the voxels are compressed; None where they cannot be read as they lie."""
    if any(fields.get(name, "0") != "0" for name in ("byteskip", "lineskip")):
        return None
    return {"raw": False, "gzip": True, "gz": True}.get(fields.get("encoding", "").lower())


def _meta_packing(fields: _Fields) -> bool | None:
    """The same for MetaImage."""
    scaled = any(name.startswith("elementtointensity") for name in fields)
    if scaled or not _is_true(fields, "binarydata") or fields.get("headersize", "0") != "0":
        return None
    return _is_true(fields, "compresseddata")


def _meta_is_big(fields: _Fields) -> bool:
    return _is_true(fields, "binarydatabyteordermsb") or _is_true(fields, "elementbyteordermsb")


def _is_true(fields: _Fields, name: str) -> bool:
    return fields.get(name, "").lower() in ("true", "t", "1")
