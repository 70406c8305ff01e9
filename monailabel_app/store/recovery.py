"""Opening the database, also one that was damaged on the disk.

A damaged database is set aside whole. A new one takes over every row that still carries its
digest, and for what is missing then the backup that was made at the last start.
"""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d24fad_core.errors import ConfigurationError
from d24fad_core.files import whole_file
from monailabel_app.store.database import Database, connect, empty_log
from monailabel_app.store.schema import (
    MIGRATIONS,
    SETTINGS,
    VERSION_KEY,
    digest,
    expected_tables,
    insert,
    is_empty,
    migrate,
    tables_of,
    version_of,
)
from monailabel_app.times import now

logger = logging.getLogger(__name__)

DAMAGED_FOLDER = "damaged"
_COMPANIONS = ("-wal", "-shm")


def open_database(path: Path) -> Database:
    """Open the database, made when missing, brought to today's schema and rebuilt where damaged.

    Args:
        path: its file; the folder is made when missing.

    Raises:
        ConfigurationError: a later version of the server wrote it.
        OSError: the disk is full or fails, or the file may not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _finish_rebuilding(path)
    damage = _damage(path)
    salvage = _rebuild(path, damage) if damage is not None else None
    connection = connect(path)
    try:
        migrate(connection)
        database = Database(connection, path)
        if salvage is not None:
            _report(database, salvage)
        _back_up(connection, path)
        empty_log(connection)
    except BaseException:
        connection.close()
        raise
    return database


@dataclass
class _Salvage:
    """What became of a damaged database.

    Attributes:
        damage: what was wrong.
        place: the folder that it lies in now.
        rows: table, key, reason and content of each row that was lost or replaced.
    """

    damage: str
    place: Path
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)


def _damage(path: Path) -> str | None:
    """What is wrong with a database; None where nothing is."""
    if not path.exists():
        return "the file is missing" if _backup(path).exists() else None
    try:
        with closing(connect(path)) as connection:
            if is_empty(connection):
                return "the file is empty" if _backup(path).exists() else None
            version = version_of(connection)
            if version > len(MIGRATIONS):
                raise ConfigurationError(
                    f"{path}: its tables are of version {version}, and this server knows "
                    f"{len(MIGRATIONS)}.",
                    "Start the version of the server that wrote it.",
                )
            return _fault(connection, version)
    except UnicodeDecodeError:
        return "it holds what is no text"
    except sqlite3.DatabaseError as error:
        _raise_if_not_its_fault(error, path)
        return str(error)


def _fault(connection: sqlite3.Connection, version: int) -> str | None:
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        return str(verdict)
    expected = expected_tables(version)
    if tables_of(connection) != expected:
        return "its tables are not those that were created"
    for kind, table, _ in expected:
        if kind == "table" and any(
            seal != digest(table, key, document) for key, document, seal in _rows(connection, table)
        ):
            return f"a row of {table} was changed on the disk"
    # Some damage shows only when something is written.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"UPDATE {SETTINGS} SET key = key")
    connection.execute("COMMIT")
    return None


def _raise_if_not_its_fault(error: sqlite3.DatabaseError, path: Path) -> None:
    """A full disk or a folder that may not be written is no damage of the database."""
    words = str(error)
    if "disk is full" in words or "disk I/O error" in words:
        raise OSError(28 if "full" in words else 5, words, str(path)) from error
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if not writable and ("readonly" in words or "unable to open" in words):
        raise PermissionError(13, "the database cannot be written", str(path)) from error
    if "locked" in words:
        raise OSError(11, "another program uses the database", str(path)) from error


def _rebuild(path: Path, damage: str) -> _Salvage:
    """Put a new database in the place of a damaged one, with all that can still be believed.

    A server that is killed meanwhile begins anew, or goes on with what is complete.
    """
    place = path.parent / DAMAGED_FOLDER / f"{path.stem}-{now().replace(':', '')}"
    place.mkdir(parents=True, exist_ok=True)
    for name in (path.name, *(path.name + ending for ending in _COMPANIONS)):
        if (path.parent / name).exists():
            shutil.copy2(path.parent / name, place / name)
    salvage = _Salvage(damage, place)
    with whole_file(_rebuilt(path)) as temporary:
        temporary.unlink()
        with closing(sqlite3.connect(temporary, isolation_level=None)) as fresh:
            # The copy is read, since reading may write.
            working = place / "reading"
            working.mkdir(exist_ok=True)
            try:
                for copied in place.glob(f"{path.name}*"):
                    shutil.copy2(copied, working)
                _take_over(fresh, working / path.name, _backup(path), salvage)
            finally:
                shutil.rmtree(working, ignore_errors=True)
    _finish_rebuilding(path)
    return salvage


def _finish_rebuilding(path: Path) -> None:
    """Put a database that was rebuilt, and is complete, in its place."""
    if _rebuilt(path).exists():
        for ending in _COMPANIONS:  # the log of the damaged one must not be played into it
            path.with_name(path.name + ending).unlink(missing_ok=True)
        _rebuilt(path).replace(path)


@dataclass(frozen=True)
class _Remains:
    """What can be read of a table.

    Attributes:
        believed: documents by key, of the rows that carry their digest.
        damaged: what is left of the others, by what is left of their keys.
        whole: reading came to the end of the table.
    """

    believed: dict[str, str]
    damaged: dict[str, str]
    whole: bool


def _take_over(fresh: sqlite3.Connection, damaged: Path, backup: Path, salvage: _Salvage) -> None:
    """Fill a new database from a damaged one, and from the backup where rows are missing."""
    with closing(sqlite3.connect(damaged)) as source, closing(sqlite3.connect(backup)) as older:
        # Rows of an earlier version go into tables of that version, to be migrated with them.
        migrate(fresh, _stated_version(source) or _stated_version(older) or len(MIGRATIONS))
        names = [name for kind, name, _ in tables_of(fresh) if kind == "table"]
        for table in names:
            rest, saved = _remains(source, table), _remains(older, table)
            rows, lost = dict(rest.believed), dict(rest.damaged)
            if lost or not rest.whole:
                for key in saved.believed.keys() - rows.keys():
                    rows[key] = saved.believed[key]
                    reason = "damaged; what it was at the last start was taken instead"
                    salvage.rows.append((table, key, reason, lost.pop(key, "")))
            if not rest.whole:
                since = " that were written since the last start" if saved.whole else ""
                salvage.rows.append((table, "*", f"rows of the table{since} may be missing", ""))
            if table == SETTINGS:
                rows.pop(VERSION_KEY, None)
            fresh.execute("BEGIN")
            for key, document in rows.items():
                with suppress(sqlite3.IntegrityError):  # a twin under a damaged key
                    insert(fresh, table, key, document)
            fresh.execute("COMMIT")
            reason = "the row was changed on the disk"
            salvage.rows.extend((table, key, reason, content) for key, content in lost.items())


def _stated_version(connection: sqlite3.Connection) -> int | None:
    """The version that a damaged database has, where it still says so."""
    try:
        version = version_of(connection)
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None
    return version if 0 < version <= len(MIGRATIONS) else None


def _remains(connection: sqlite3.Connection, table: str) -> _Remains:
    """Read a table from both ends, so that a damaged page in the middle hides only itself."""
    connection.text_factory = bytes
    believed: dict[str, str] = {}
    damaged: dict[str, str] = {}
    whole = True
    for order in ("ASC", "DESC"):
        try:
            for row in _rows(connection, table, f"ORDER BY rowid {order}"):
                key, document, seal = (_text(value) for value in row)
                if seal == digest(table, key, document):
                    believed[key] = document
                else:
                    damaged[key] = document
        except sqlite3.DatabaseError:
            whole = False
            continue
        break
    try:
        # The index of the keys lies on other pages, and knows of rows that the table has lost.
        for (key,) in connection.execute(f"SELECT key FROM {table} ORDER BY key"):
            if _text(key) not in believed:
                damaged.setdefault(_text(key), "")
    except sqlite3.DatabaseError:
        whole = False
    return _Remains(believed, damaged, whole)


def _rows(
    connection: sqlite3.Connection, table: str, order: str = ""
) -> Iterator[tuple[Any, Any, Any]]:
    yield from connection.execute(f"SELECT key, document, digest FROM {table} {order}")


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _report(database: Database, salvage: _Salvage) -> None:
    """Name what was damaged, in the log and for the status route."""
    where = f"{salvage.place.parent.name}/{salvage.place.name}"
    database.set_aside(
        "database", salvage.place.name, f"{salvage.damage}; it lies in '{where}' and was rebuilt"
    )
    for table, key, reason, content in salvage.rows:
        # Each damage is news, even to a row that was damaged before.
        database.set_aside(table, f"{key} ({salvage.place.name})", reason, content[:2000])


def _back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Keep a copy of the database as it is at this start."""
    with whole_file(_backup(path)) as temporary:
        temporary.unlink()
        connection.execute("VACUUM INTO ?", (str(temporary),))


def _backup(path: Path) -> Path:
    return path.with_name(f"{path.name}.backup")


def _rebuilt(path: Path) -> Path:
    return path.with_name(f"{path.name}.rebuilt")
