"""Files that change without a writing that the file system knows of, as on a failing disk."""

from pathlib import Path

import pytest

from d24fad_core.io.file_memory import FileState

LONG_AGO_NS = 10**18


def hide_writings(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on each file was written long ago; only its size follows what is written."""
    monkeypatch.setattr(
        FileState, "of", lambda path: FileState(path.stat().st_size, LONG_AGO_NS, LONG_AGO_NS)
    )


def flip_a_bit(path: Path) -> None:
    """Change the last byte but six, which lies among the voxels of an unpacked file."""
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(bytes(content))
