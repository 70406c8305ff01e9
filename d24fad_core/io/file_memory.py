"""Files that changed although nobody wrote to them, as on a disk that fails.

Unpacked voxels carry no checksum, so a first reading takes whatever is there. From then on a
changed byte is noticed: whoever writes to a file changes one of its times, a failing disk does not.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from d24fad_core.cache.folder import keep
from d24fad_core.cache.json_file import load_values, save_values
from d24fad_core.errors import InputError
from d24fad_core.files import hash_bytes, hash_file

_LEFT_ALONE_NS = 60 * 10**9
"""Until then two contents may bear the same times: file systems count in steps (FAT 2 s), network
folders are seen with some delay (NFS up to 60 s), and a file that is mapped into memory is dated
when writing begins (30 s)."""


@dataclass(frozen=True)
class FileState:
    """What the file system says of a file; every writing changes it.

    Attributes:
        size: in bytes.
        modified_ns: time of its last change, which whoever writes the file may set.
        changed_ns: the same as the system keeps it, which nobody can set (on Windows the time when
            the file was made).
    """

    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> "FileState":
        """The state that a file has now."""
        status: os.stat_result = path.stat()
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def is_left_alone(self) -> bool:
        """Whether the last writing is so long ago that the next one will have another time."""
        return time.time_ns() - max(self.modified_ns, self.changed_ns) > _LEFT_ALONE_NS


def silent_change(path: Path) -> InputError:
    """The refusal of a study whose bytes changed while its state stayed the same."""
    return InputError(
        f"{path}: holds other bytes than when it was read before, and nobody has written to it "
        "since, so the disk may be failing",
        "bring it back from a copy elsewhere; if you did change it, give it a new date (touch).",
    )


class FileMemory:
    """Remembers which bytes the files of a study had in which state.

    Args:
        cache: folder of all that is kept; this is in one of its own there, a small file a study.
            Names of files are kept as hashes alone.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def hashes(self, study: Path, files: Sequence[Path]) -> list[str]:
        """SHA-256 of each file of a study.

        Args:
            study: the file or folder that it is known by.
            files: all that it consists of.

        Raises:
            InputError: they are not what they were, in the same state.
            OSError: one cannot be read.
        """
        states = [FileState.of(file) for file in files]
        left_alone = all(state.is_left_alone() for state in states)
        hashes = [hash_file(file) for file in files]
        if states != [FileState.of(file) for file in files]:
            return hashes  # somebody writes to them now
        named = [(file.name, *astuple(state)) for file, state in zip(files, states, strict=True)]
        now = [hash_bytes(repr(named).encode()), hash_bytes(*map(str.encode, hashes))]
        entry = self._cache / "files" / f"{hash_bytes(str(study.resolve()).encode())}.json"
        before = _load(entry)
        if before is not None and before[0] == now[0] and before[1] != now[1]:
            raise silent_change(study)
        if left_alone and before != now:
            keep(now, entry, self._cache, save_values)
        return hashes


def _load(entry: Path) -> Any:
    """What is remembered; None where it is absent or damaged, which another reading mends."""
    try:
        values = load_values(entry)
    except (OSError, ValueError):
        return None
    return values if isinstance(values, list) and len(values) == 2 else None
