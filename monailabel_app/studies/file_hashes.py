"""Hashes of files, computed once and kept until a file changes."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.files import hash_file
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
    """

    path: str
    size: int
    modified_ns: int
    sha256: str
    changed_ns: int = 0


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
        status = path.stat()
        with self._lock:
            record = self._known.get(str(path))
        if record is None:
            return None
        unchanged = _state(status) == (record.size, record.modified_ns, record.changed_ns)
        return record.sha256 if unchanged else None

    def of(self, path: Path) -> str:
        """The hash of a file; computed only when it is not known."""
        return self.known(path) or self.anew(path)

    def anew(self, path: Path) -> str:
        """The hash of the bytes that a file has now, whatever is known of it."""
        size, modified_ns, changed_ns = _state(path.stat())
        record = FileHash(str(path), size, modified_ns, hash_file(path), changed_ns)
        with self._lock:
            known = self._known.get(record.path)
            self._known[record.path] = record
        if record != known:
            self._records.put(record.path, record)
        return record.sha256


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
