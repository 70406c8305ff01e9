"""Hashes are kept until a file changes, however it is dated."""

import os
import time
from pathlib import Path

import pytest

from d24fad_core.errors import InputError
from d24fad_core.files import hash_file
from d24fad_core.io.file_memory import FileState
from monailabel_app.store.database import Database
from monailabel_app.studies.file_hashes import FileHash, FileHashes
from tests.silent_changes import hide_writings


def test_a_changed_file_of_the_same_size_and_date_is_hashed_again(
    tmp_path: Path, database: Database
) -> None:
    """As `cp -p` and `rsync -t` leave it, and as whoever restores a date does."""
    path = tmp_path / "scan.nii"
    path.write_bytes(b"first")
    hashes = FileHashes(database)
    first, status = hashes.of(path), path.stat()
    while path.stat().st_ctime_ns == status.st_ctime_ns:  # a clock's tick may have two changes
        path.write_bytes(b"other")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert hashes.known(path) is None
    assert hashes.of(path) == hash_file(path) != first
    assert FileHashes(database).known(path) == hash_file(path)


def test_a_file_that_changed_behind_the_file_system_is_refused_when_it_is_verified(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(b"first")
    with monkeypatch.context() as silently:
        hide_writings(silently)
        hashes = FileHashes(database)
        first = hashes.of(path)
        path.write_bytes(b"other")
        for house in (hashes, FileHashes(database)):
            assert house.of(path) == first
            with pytest.raises(InputError, match="holds other bytes than when it was read before"):
                house.anew(path)
        path.write_bytes(b"first")
        assert hashes.anew(path) == first
        path.write_bytes(b"other")
    path.touch()
    assert hashes.anew(path) == hashes.of(path) == hash_file(path)


def test_a_file_that_came_just_now_may_have_two_contents_of_one_time(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(b"first")
    now = time.time_ns()
    monkeypatch.setattr(FileState, "of", lambda _: FileState(5, now, now))
    hashes = FileHashes(database)
    first = hashes.of(path)
    path.write_bytes(b"other")
    assert hashes.of(path) == first
    assert hashes.anew(path) == hashes.of(path) == hash_file(path)


def test_records_of_former_servers_are_checked_once(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(b"first")
    status = path.stat()
    record = FileHash(str(path), status.st_size, status.st_mtime_ns, "another hash")
    FileHashes(database)._records.put(record.path, record)
    assert FileHashes(database).of(path) == hash_file(path)
