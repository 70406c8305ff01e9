"""The connection to the database: transactions that are on the disk when they end."""

import errno
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monailabel_app.store.schema import SET_ASIDE, digest, insert
from monailabel_app.times import now

logger = logging.getLogger(__name__)

_BUSY_SECONDS = 30.0
# Of SQLite's log, what follows a changed byte is dropped without a word: keep it short.
_LOG_PAGES = 64


@dataclass(frozen=True)
class SetAside:
    """Something damaged that the server goes on without.

    Attributes:
        kind: what it was: a table of the database, `database`, or a kind of file.
        name: which one.
        reason: what is wrong with it, and what became of it.
        time: when it was noticed, ISO 8601, UTC.
        content: what could be read of it, for whoever repairs it by hand.
    """

    kind: str
    name: str
    reason: str
    time: str
    content: str = ""


def connect(path: Path) -> sqlite3.Connection:
    """Open a database file; every commit waits for the disk."""
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    return connection


class Database:
    """One connection, shared by all threads; see `recovery.open_database`.

    Args:
        connection: to a database of today's schema.
        path: its file.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of a block's statements take effect, on the disk, or none; blocks may be nested.

        Raises:
            OSError: the disk is full or fails.
        """
        with self._lock, self._disk_errors():
            if self._depth:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def select(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a query finds.

        Raises:
            OSError: the disk fails.
        """
        with self._lock, self._disk_errors():
            return self._connection.execute(query, parameters).fetchall()

    def set_aside(self, kind: str, name: str, reason: str, content: str = "") -> None:
        """Note that something is damaged; the log names each thing once."""
        key = json.dumps([kind, name])
        with self.transaction() as connection:
            known = connection.execute(f"SELECT 1 FROM {SET_ASIDE} WHERE key = ?", (key,))
            if known.fetchone() is not None:
                return
            note = SetAside(kind, name, reason, now(), content)
            insert(connection, SET_ASIDE, key, json.dumps(asdict(note)))
        logger.warning("Set aside as damaged: %s '%s' (%s)", kind, name, reason)

    def all_set_aside(self) -> list[SetAside]:
        """Everything that was set aside, the oldest first."""
        rows = self.select(f"SELECT key, document, digest FROM {SET_ASIDE}")
        notes = [
            SetAside(**json.loads(document))
            for key, document, seal in rows
            if seal == digest(SET_ASIDE, key, document)
        ]
        return sorted(notes, key=lambda note: note.time)

    @property
    def size(self) -> int:
        """Bytes that it takes, its log not counted."""
        ((pages,), *_), ((size,), *_) = (
            self.select("PRAGMA page_count"),
            self.select("PRAGMA page_size"),
        )
        return int(pages) * int(size)

    def close(self) -> None:
        """Close it; nothing may be asked of it afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """SQLite's word for a full or failing disk, as any other file would say it."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            number = _DISK_ERRORS.get(str(error).partition(" (")[0])
            if number is None:
                raise
            raise OSError(number, str(error), str(self.path)) from error


_DISK_ERRORS = {
    "database or disk is full": errno.ENOSPC,
    "disk I/O error": errno.EIO,
    # Damaged while the server runs: the next start rebuilds it.
    "database disk image is malformed": errno.EIO,
    "file is not a database": errno.EIO,
}
