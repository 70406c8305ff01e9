"""Hashes of files, computed once and kept until a file changes."""

import threading
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.files import hash_file
from d24fad_core.io.file_memory import FileState, silent_change
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import FILE_HASHES


@dataclass(frozen=True)
class FileHash:
    """A file as it was when it was hashed; a change of content changes size or times.

    Attributes:
        path: where it lies.
        size: in bytes.
        modified_ns: time of its last change, which whoever writes the file may set.
        sha256: hash of its content.
        changed_ns: time of its last change as the system keeps it, which nobody can set; 0 in
            records of before it was kept.
        left_alone: whether it had been left alone for so long that its next writing has another
            time.
    """

    path: str
    size: int
    modified_ns: int
    sha256: str
    changed_ns: int = 0
    left_alone: bool = False

    @property
    def state(self) -> FileState:
        """What the file system said of it."""
        return FileState(self.size, self.modified_ns, self.changed_ns)


class FileHashes:
    """The hashes that are known.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._records = Records(database, FILE_HASHES, FileHash)
        self._lock = threading.Lock()
        self._known = {record.path: record for record in self._records.find()}

    def known(self, path: Path) -> str | None:
        """The hash of a file, if it was computed before and the file has not changed."""
        state = FileState.of(path)
        with self._lock:
            record = self._known.get(str(path))
        return record.sha256 if record is not None and record.state == state else None

    def of(self, path: Path) -> str:
        """The hash of a file; computed only when it is not known."""
        return self.known(path) or self.anew(path)

    def anew(self, path: Path) -> str:
        """The hash of the bytes that a file has now.

        Raises:
            InputError: they are not what they were, and nobody has written to it since.
        """
        state = FileState.of(path)
        left_alone = state.is_left_alone()
        record = FileHash(
            str(path),
            state.size,
            state.modified_ns,
            hash_file(path),
            state.changed_ns,
            left_alone,
        )
        with self._lock:
            known = self._known.get(record.path)
            if (
                known is not None
                and known.left_alone
                and known.state == state == FileState.of(path)
                and known.sha256 != record.sha256
            ):
                raise silent_change(path)
            self._known[record.path] = record
        if record != known:
            self._records.put(record.path, record)
        return record.sha256
