"""Records of a table: a damaged one is set aside and the rest goes on."""

import errno
import logging
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from monailabel_app.store import schema
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.recovery import open_database


@dataclass(frozen=True)
class Thing:
    name: str
    size: int
    parts: tuple[str, ...] = ()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "state.sqlite3")


@pytest.fixture
def records(database: Database) -> Records[Thing]:
    return Records(database, schema.JOBS, Thing)


def raw(database: Database, key: str, document: str) -> None:
    with database.transaction() as connection:
        schema.insert(connection, schema.JOBS, key, document)


def test_records_come_back_as_they_were(records: Records[Thing]) -> None:
    thing = Thing("Ö 山 \u2028", 3, ("a", "b"))
    records.put("k", thing)
    assert records.get("k") == thing
    assert not records.add("k", Thing("other", 1))
    assert records.add("l", Thing("other", 1))
    assert records.keys() == ("k", "l")
    records.remove("k")
    assert records.find() == [Thing("other", 1)]


def test_unknown_fields_of_a_later_version_are_passed_over(
    database: Database, records: Records[Thing]
) -> None:
    raw(database, "k", '{"name": "n", "size": 1, "later": [1]}')
    assert records.get("k") == Thing("n", 1)
    assert database.all_set_aside() == []


def test_what_is_no_record_is_set_aside_and_named_once(
    database: Database, records: Records[Thing], caplog: pytest.LogCaptureFixture
) -> None:
    records.put("good", Thing("n", 1))
    raw(database, "bad", '{"name": "n", "size": "many"}')
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert records.find() == [Thing("n", 1)]
    assert caplog.text.count("Set aside as damaged: jobs 'bad'") == 1
    (note,) = database.all_set_aside()
    assert (note.kind, note.name) == ("jobs", "bad")
    assert "many" in note.content and "'size'" in note.reason


def test_a_row_that_changed_under_the_running_server_is_not_believed(
    database: Database, records: Records[Thing]
) -> None:
    records.put("k", Thing("n", 1))
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET document = replace(document, '1', '2')")
    assert records.get("k") is None
    assert [note.kind for note in database.all_set_aside()] == ["jobs"]


def test_a_transaction_takes_effect_whole_or_not_at_all(
    database: Database, records: Records[Thing]
) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction():
        records.put("a", Thing("n", 1))
        records.put("b", Thing("n", 1 // 0))
    assert records.keys() == ()


def test_threads_share_it(records: Records[Thing]) -> None:
    def write(number: int) -> None:
        for turn in range(20):
            records.put(f"{number}-{turn}", Thing("n", turn))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(records.find()) == 80


def test_a_full_disk_is_said_with_the_path(database: Database, records: Records[Thing]) -> None:
    (pages,) = database.select("PRAGMA page_count")[0]
    database.select(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match="full") as full:
        records.put("k", Thing("x" * 100_000, 1))
    assert full.value.errno == errno.ENOSPC
    assert full.value.filename == str(database.path)
    assert records.keys() == ()


def test_a_database_that_is_damaged_while_the_server_runs_is_an_error_of_the_disk(
    database: Database, records: Records[Thing]
) -> None:
    """As such the workers log it and live on."""
    with pytest.raises(OSError, match="malformed") as damaged, database.transaction():
        raise sqlite3.DatabaseError("database disk image is malformed")
    assert damaged.value.filename == str(database.path)
    records.put("k", Thing("n", 1))
