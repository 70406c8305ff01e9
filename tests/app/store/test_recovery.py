"""A database that is damaged on the disk is rebuilt, and what is lost is named."""

import json
import random
import shutil
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from d24fad_core.errors import ConfigurationError
from monailabel_app.review.log import ReviewLog
from monailabel_app.store import schema
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.recovery import DAMAGED_FOLDER, open_database

ROWS = 40


@dataclass(frozen=True)
class Thing:
    name: str
    image: str
    words: str = ""


def things(database: Database, table: str = schema.SUPPORT_SETS) -> Records[Thing]:
    return Records(database, table, Thing)


def thing(number: int) -> Thing:
    return Thing(f"n{number:03d}", f"image-{number % 7}", "wörter " * (number % 50))


def content(database: Database, table: str) -> dict[str, Thing | None]:
    records = things(database, table)
    return {key: records.get(key) for key in sorted(records.keys())}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of two starts, the second of which changed some rows."""
    path = tmp_path_factory.mktemp("filled") / "state.sqlite3"
    tables = (schema.SUPPORT_SETS, schema.RESULTS, schema.JOBS)
    database = open_database(path)
    with database.transaction():
        for table in tables:
            for number in range(ROWS):
                things(database, table).put(thing(number).name, thing(number))
    database.close()
    database = open_database(path)
    with database.transaction():
        for table in tables:
            for number in range(0, ROWS, 5):
                changed = Thing(f"n{number:03d}", "later", "changed")
                things(database, table).put(changed.name, changed)
            things(database, table).put("new", Thing("new", "new"))
    database.close()
    return path.parent


def flipped(filled: Path, target: Path, place: int, bit: int) -> Path:
    shutil.copytree(filled, target)
    path = target / "state.sqlite3"
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "rounds", [12, pytest.param(200, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_changed_byte_is_harmless_or_named(filled: Path, tmp_path: Path, rounds: int) -> None:
    tables = (schema.SUPPORT_SETS, schema.RESULTS, schema.JOBS)
    truth = {}
    shutil.copytree(filled, tmp_path / "truth")
    database = open_database(tmp_path / "truth" / "state.sqlite3")
    for table in tables:
        truth[table] = content(database, table)
    database.close()
    draw = random.Random(rounds)
    for number in range(rounds):
        place = draw.randrange(1 << 30) if number % 5 else draw.randrange(100)  # the header too
        path = flipped(filled, tmp_path / str(number), place, draw.randrange(8))
        database = open_database(path)
        named = {(note.kind, note.name.split(" ")[0]) for note in database.all_set_aside()}
        for table in tables:
            rows = content(database, table)
            assert set(rows) <= set(truth[table])
            whole_table = (table, "*") in named
            for key, expected in truth[table].items():
                if rows.get(key) != expected:
                    assert named, f"byte {place}: {table} {key} changed without a word"
                    assert whole_table or any(kind == table for kind, _ in named)
            damage = len(truth[table]) - len(rows)
            assert damage <= ROWS // 2, "most of it can be recovered"
        database.close()
        again = open_database(path)  # what was rebuilt is sound
        assert {n.kind for n in again.all_set_aside()} == {kind for kind, _ in named}
        again.close()
        shutil.rmtree(tmp_path / str(number))


def test_a_lost_row_is_taken_from_the_last_start_and_said_so(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "state")
    path = tmp_path / "state" / "state.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "UPDATE support_sets SET document = replace(document, 'changed', 'forged') "
            "WHERE key = 'n005'"
        )
    connection.close()
    database = open_database(path)
    assert things(database).get("n005") == thing(5)
    assert things(database).get("n010") == Thing("n010", "later", "changed")
    notes = {note.kind: note for note in database.all_set_aside()}
    assert set(notes) == {"database", "support_sets"}
    assert "last start" in notes["support_sets"].reason
    assert "forged" in notes["support_sets"].content
    (place,) = (path.parent / DAMAGED_FOLDER).iterdir()
    assert (place / "state.sqlite3").read_bytes()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 500, None])
def test_without_a_readable_file_the_backup_serves(
    filled: Path, tmp_path: Path, content: bytes | None
) -> None:
    shutil.copytree(filled, tmp_path / "state")
    path = tmp_path / "state" / "state.sqlite3"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    database = open_database(path)
    assert things(database).get("n007") == thing(7)
    assert any(note.kind == "database" for note in database.all_set_aside())


def test_a_rebuilding_that_was_cut_off_is_finished(filled: Path, tmp_path: Path) -> None:
    """Killed after the new file was complete and before it was in its place."""
    shutil.copytree(filled, tmp_path / "state")
    path = tmp_path / "state" / "state.sqlite3"
    path.replace(path.with_name("state.sqlite3.rebuilt"))
    path.write_bytes(b"damaged")
    path.with_name("state.sqlite3-wal").write_bytes(b"of the damaged one")
    database = open_database(path)
    assert things(database).get("new") == Thing("new", "new")
    assert database.all_set_aside() == []


def test_a_database_of_a_later_server_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    database = open_database(path)
    with database.transaction() as connection:
        schema.insert(connection, schema.SETTINGS, schema.VERSION_KEY, '{"version": 99}')
    database.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="version 99"):
        open_database(path)
    assert path.read_bytes() == before


def test_opening_again_changes_nothing(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "state")
    path = tmp_path / "state" / "state.sqlite3"
    for _ in range(2):
        database = open_database(path)
        assert len(things(database).keys()) == ROWS + 1
        assert database.all_set_aside() == []
        database.close()
    assert not (path.parent / DAMAGED_FOLDER).exists()


def killed(tmp_path: Path, spilled: bool) -> Path:
    """The files as a kill leaves them: all that was acknowledged, and half of a transaction."""
    path = tmp_path / "state.sqlite3"
    database = open_database(path)
    for number in range(12):
        things(database).put(f"n{number:03d}", thing(number))
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0
    left = tmp_path / "left"
    left.mkdir()
    with database.transaction() as connection:
        if spilled:
            connection.execute("PRAGMA cache_size = 1")
            for number in range(ROWS):
                changed = Thing(f"n{number:03d}", "never acknowledged", "x" * 3000)
                things(database).put(changed.name, changed)
        for name in (path.name, f"{path.name}-wal"):
            shutil.copy(path.with_name(name), left)
    database.close()
    assert ((left / "state.sqlite3-wal").stat().st_size > 100_000) == spilled
    return left / path.name


@pytest.mark.parametrize(
    "rounds", [12, pytest.param(200, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_changed_byte_in_sqlites_log_takes_nothing_away(tmp_path: Path, rounds: int) -> None:
    """What is acknowledged is in the database's file, where every row has a digest."""
    path = killed(tmp_path, spilled=True)
    log = path.with_name(f"{path.name}-wal")
    whole = log.read_bytes()
    draw = random.Random(rounds)
    for number in range(rounds):
        place = draw.randrange(len(whole) if number % 4 else 64)  # its header too
        changed = bytearray(whole)
        changed[place] ^= draw.randrange(1, 256)
        target = tmp_path / str(number)
        target.mkdir()
        shutil.copy(path, target)
        (target / log.name).write_bytes(bytes(changed))
        database = open_database(target / path.name)
        assert content(database, schema.SUPPORT_SETS) == {
            f"n{each:03d}": thing(each) for each in range(12)
        }
        assert database.all_set_aside() == []
        database.close()
        shutil.rmtree(target)


@pytest.mark.parametrize(
    "rounds", [6, pytest.param(200, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_changed_byte_in_a_log_that_was_brought_in_by_half_is_harmless_or_named(
    tmp_path: Path, rounds: int
) -> None:
    """Killed just before a write was acknowledged, with some pages in the database's file."""
    path = tmp_path / "state.sqlite3"
    database = open_database(path)
    for number in range(12):
        things(database).put(f"n{number:03d}", thing(number))
    database.close()
    before = path.read_bytes()
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("BEGIN")
        for number in range(ROWS):  # moves rows to other pages
            key, document = f"n{number:03d}", json.dumps(asdict(Thing("n", "new", "y" * 900)))
            schema.insert(connection, schema.SUPPORT_SETS, key, document)
        connection.execute("COMMIT")
        log = path.with_name(f"{path.name}-wal").read_bytes()
        assert log
    connection.close()
    after = path.read_bytes()
    draw = random.Random(rounds)
    for number in range(rounds):
        target = tmp_path / str(number)
        target.mkdir()
        end = 4096 * draw.randrange(len(after) // 4096)
        (target / path.name).write_bytes(after[:end] + before[end:])
        changed = bytearray(log)
        changed[draw.randrange(len(log))] ^= draw.randrange(1, 256)
        (target / f"{path.name}-wal").write_bytes(bytes(changed))
        shutil.copy(tmp_path / "state.sqlite3.backup", target)
        database = open_database(target / path.name)
        rows = content(database, schema.SUPPORT_SETS)
        named = {note.name.split(" ")[0] for note in database.all_set_aside()}
        for each in range(12):
            key = f"n{each:03d}"
            if rows.get(key) not in (thing(each), Thing("n", "new", "y" * 900)):
                assert key in named or "*" in named, f"{key} changed without a word"
        database.close()
        shutil.rmtree(target)


def test_the_log_is_empty_when_a_write_is_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    log = path.with_name("state.sqlite3-wal")
    database = open_database(path)
    assert log.stat().st_size == 0
    assert database.select("PRAGMA synchronous") == [(2,)]  # each commit waits for the disk
    for number in range(5):
        things(database).put(str(number), thing(number))
        assert log.stat().st_size == 0
    assert database.size > 10 * 4096
    database.close()
    assert not log.exists()


def test_a_program_that_reads_the_database_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is written meanwhile stays in the log, and leaves it with the next write."""
    monkeypatch.setattr("monailabel_app.store.database._PATIENCE_FOR_READERS_MS", 1)
    path = tmp_path / "state.sqlite3"
    database = open_database(path)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM support_sets").fetchone()
    things(database).put("meanwhile", thing(1))
    assert path.with_name("state.sqlite3-wal").stat().st_size > 0
    assert "another program reads it" in caplog.text
    reader.close()
    things(database).put("after", thing(2))
    assert path.with_name("state.sqlite3-wal").stat().st_size == 0
    assert things(database).keys() == ("after", "meanwhile")
    database.close()


def test_a_damaged_database_of_an_earlier_version_is_rebuilt_and_migrated(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with sqlite3.connect(path, isolation_level=None) as connection:
        schema.migrate(connection, 1)
        for number in range(3):
            key, document = f"n{number:03d}", json.dumps(asdict(thing(number)))
            schema.insert(connection, schema.SUPPORT_SETS, key, document)
        schema.insert(connection, schema.REVIEW_STATES, "r", '{"result": "r", "log": "12|34"}')
        connection.execute("UPDATE support_sets SET document = '{}' WHERE key = 'n001'")
    connection.close()
    database = open_database(path)
    assert set(content(database, schema.SUPPORT_SETS)) == {"n000", "n002"}
    named = [(note.kind, note.name.split(" ")[0]) for note in database.all_set_aside()]
    assert {kind for kind, _ in named} == {"database", "support_sets"}
    assert ("support_sets", "n001") in named
    assert ReviewLog(database).states.all() == []
    database.close()
