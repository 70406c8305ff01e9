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
_PATIENCE_FOR_READERS_MS = 1000


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
    # What is no text is read all the same: the row's digest tells, and the other rows go on.
    connection.text_factory = lambda content: content.decode("utf-8", "replace")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def empty_log(connection: sqlite3.Connection) -> bool:
    """Bring what SQLite's log holds into the database's file; tells whether the log is empty.

    Of the log, SQLite drops without a word what follows a changed byte, however long it was
    acknowledged; in the file each row carries a digest.
    """
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_FOR_READERS_MS}")
    try:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
    return not busy


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
            self._empty_log()

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

    def _empty_log(self) -> None:
        """After a commit, which holds whether or not this succeeds."""
        try:
            emptied = empty_log(self._connection)
        except sqlite3.OperationalError as error:
            logger.warning("%s: the log stays beside it (%s)", self.path, error)
            return
        if not emptied:
            logger.warning("%s: another program reads it, the log stays beside it", self.path)

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
