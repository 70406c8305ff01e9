"""The tables of the database, and how an older one becomes today's.

Every table holds JSON documents by key, each with a digest that tells when one was damaged on the
disk. What is searched by is a virtual column of the document, so there is one truth only.
"""

import json
import sqlite3
from hashlib import sha256

SETTINGS = "settings"
SET_ASIDE = "set_aside"
JOBS = "jobs"
FILE_HASHES = "file_hashes"
UPLOADS = "uploads"
SUPPORT_SETS = "support_sets"
SET_QUALITY = "set_quality"
RESULTS = "results"
CHECKPOINTS = "checkpoints"
REVIEW_STATES = "review_states"
REVIEW_EVENTS = "review_events"

VERSION_KEY = "schema"


def _table(name: str, **columns: str) -> str:
    """A table of documents with virtual columns, each a path into the document."""
    searched = "".join(
        f", {column} {kind} GENERATED ALWAYS AS "
        f"(CASE WHEN json_valid(document) THEN json_extract(document, '$.{column}') END) VIRTUAL"
        for column, kind in columns.items()
    )
    return (
        f"CREATE TABLE {name} (key TEXT PRIMARY KEY NOT NULL, document TEXT NOT NULL, "
        f"digest TEXT NOT NULL{searched})"
    )


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    # Never change one that was released: add the next.
    (
        _table(SETTINGS),
        _table(SET_ASIDE),
        _table(JOBS),
        _table(FILE_HASHES),
        _table(UPLOADS),
        _table(SUPPORT_SETS),
        _table(SET_QUALITY),
        _table(RESULTS, image="TEXT", support_set="TEXT", created="TEXT"),
        f"CREATE INDEX results_by_image ON {RESULTS} (image, created)",
        f"CREATE INDEX results_by_set ON {RESULTS} (support_set, image, created)",
        _table(CHECKPOINTS),
        _table(REVIEW_STATES),
    ),
    (
        _table(REVIEW_EVENTS, result="TEXT", image="TEXT", place="INTEGER"),
        f"CREATE INDEX review_events_by_image ON {REVIEW_EVENTS} (image, place)",
        # An event that a client sends twice is one event.
        f"CREATE UNIQUE INDEX review_events_once ON {REVIEW_EVENTS} (result, "
        "CASE WHEN json_valid(document) THEN json_extract(document, '$.event.key') END)",
        # They were sums of log files, and are added up from the table now.
        f"DELETE FROM {REVIEW_STATES}",
    ),
)
"""The statements that lead from each version to the next, from an empty database on."""


def digest(table: str, key: str, document: str) -> str:
    """What a row must carry to be believed."""
    return sha256(f"{table}\0{key}\0{document}".encode()).hexdigest()[:32]


def insert(connection: sqlite3.Connection, table: str, key: str, document: str) -> None:
    """Put a document into a table, in the place of one with the same key."""
    connection.execute(
        f"INSERT INTO {table} (key, document, digest) VALUES (?, ?, ?) ON CONFLICT (key) "
        "DO UPDATE SET document = excluded.document, digest = excluded.digest",
        (key, document, digest(table, key, document)),
    )


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever created in a database."""
    (count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(count == 0)


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of a database; 0 of an empty one.

    Raises:
        sqlite3.DatabaseError: it does not say, or cannot be believed.
    """
    if is_empty(connection):
        return 0
    row = connection.execute(
        f"SELECT document, digest FROM {SETTINGS} WHERE key = ?", (VERSION_KEY,)
    ).fetchone()
    if row is None or row[1] != digest(SETTINGS, VERSION_KEY, row[0]):
        raise sqlite3.DatabaseError("the database does not say which version its tables have")
    return int(json.loads(row[0])["version"])


def migrate(connection: sqlite3.Connection, target: int = len(MIGRATIONS)) -> None:
    """Bring the tables to a version, today's by default, each step whole or not at all."""
    for version in range(version_of(connection), target):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
            insert(connection, SETTINGS, VERSION_KEY, json.dumps({"version": version + 1}))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def tables_of(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Kind, name and definition of all that was created."""
    return connection.execute(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name"
    ).fetchall()


def expected_tables(version: int) -> list[tuple[str, str, str]]:
    """What `tables_of` says of an undamaged database of this version."""
    connection = sqlite3.connect(":memory:")
    try:
        for statements in MIGRATIONS[:version]:
            for statement in statements:
                connection.execute(statement)
        return tables_of(connection)
    finally:
        connection.close()
