"""Hashes of files, computed once and kept until a file changes."""

import threading
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.files import hash_file
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import FILE_HASHES


@dataclass(frozen=True)
class FileHash:
    """A file as it was when it was hashed; a change of content changes size or time.

    Attributes:
        path: where it lies.
        size: in bytes.
        modified_ns: time of its last change.
        sha256: hash of its content.
    """

    path: str
    size: int
    modified_ns: int
    sha256: str


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
        unchanged = (record.size, record.modified_ns) == (status.st_size, status.st_mtime_ns)
        return record.sha256 if unchanged else None

    def of(self, path: Path) -> str:
        """The hash of a file; computed only when it is not known."""
        sha256 = self.known(path)
        if sha256 is None:
            status = path.stat()
            sha256 = hash_file(path)
            record = FileHash(str(path), status.st_size, status.st_mtime_ns, sha256)
            self._records.put(record.path, record)
            with self._lock:
                self._known[record.path] = record
        return sha256
