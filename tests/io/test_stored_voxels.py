"""Voxels come out of a file in one pass, packed or not, and a cut file is noticed."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from d24fad_core.io.stored_voxels import StoredVoxels

VALUES = np.random.default_rng(0).integers(-900, 900, (40, 30, 50)).astype(np.int16)
RAW = VALUES.tobytes(order="F")
INT16 = np.dtype("<i2")


def store(folder: Path, content: bytes, **layout: Any) -> StoredVoxels:
    (folder / "voxels").write_bytes(content)
    return StoredVoxels(folder / "voxels", VALUES.shape, INT16, **layout)


def together(voxels: StoredVoxels, depth: int) -> NDArray[Any]:
    slabs = list(voxels.slabs(depth))
    assert all(slab.shape[2] == depth for slab in slabs[:-1])
    return np.concatenate(slabs, axis=2)


@pytest.mark.parametrize("depth", [1, 7, 50, 80])
@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (RAW, {}),
        (b"head" + RAW, {"start": 4}),
        (b"head" + RAW, {"skipped": 4}),
        (gzip.compress(RAW), {"compressed": True}),
        (gzip.compress(b"head" + RAW), {"compressed": True, "skipped": 4}),
        (b"head" + gzip.compress(RAW), {"compressed": True, "start": 4}),
        (zlib.compress(RAW), {"compressed": True}),
        (gzip.compress(RAW[:9999]) + gzip.compress(RAW[9999:]), {"compressed": True}),
        (gzip.compress(RAW) + bytes(700_000), {"compressed": True}),
    ],
    ids=["raw", "start", "skipped", "gzip", "header", "behind", "zlib", "members", "padded"],
)
def test_every_layout_gives_the_values(
    content: bytes, layout: dict[str, Any], depth: int, tmp_path: Path
) -> None:
    np.testing.assert_array_equal(together(store(tmp_path, content, **layout), depth), VALUES)


def test_values_of_the_other_byte_order(tmp_path: Path) -> None:
    (tmp_path / "voxels").write_bytes(VALUES.astype(">i2").tobytes(order="F"))
    voxels = StoredVoxels(tmp_path / "voxels", VALUES.shape, np.dtype(">i2"))
    np.testing.assert_array_equal(together(voxels, 9), VALUES)


def damaged(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("content", "compressed"),
    [
        (RAW[:-1], False),
        (b"", False),
        (gzip.compress(RAW)[:-1], True),
        (gzip.compress(RAW)[:5000], True),
        (gzip.compress(RAW[:-1]), True),
        (gzip.compress(RAW[:9999]), True),
        (damaged(gzip.compress(RAW)), True),
        (gzip.compress(RAW)[:-8] + bytes(8), True),
        (b"", True),
        (RAW, True),
    ],
)
def test_what_is_cut_off_or_damaged_is_noticed(
    content: bytes, compressed: bool, tmp_path: Path
) -> None:
    with pytest.raises((EOFError, zlib.error)):
        together(store(tmp_path, content, compressed=compressed), 7)


def test_a_file_is_passed_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packed file that went back for every slab would be unpacked again from its start."""
    voxels = store(tmp_path, gzip.compress(RAW), compressed=True)
    sizes: list[int] = []

    class Watched(io.FileIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            assert not sizes, "went back"
            return super().seek(offset, whence)

        def read(self, size: int | None = -1) -> bytes:
            sizes.append(len(content := super().read(size) or b""))
            return content

    monkeypatch.setattr(Path, "open", lambda path, mode: Watched(path, mode))
    assert together(voxels, 3).shape == VALUES.shape
    assert sum(sizes) <= voxels.path.stat().st_size
