import hashlib
import os
import resource
import stat
from pathlib import Path

import pytest

from d24fad_core.files import copy_whole, hash_bytes, hash_file, whole_file, write_text


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "result.nii.gz"
    with whole_file(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"half")
        assert not path.exists()
        temporary.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.json", ".json"), ("b.nii.gz", ".nii.gz"), ("c.1.txt", ".txt")]
)
def test_writers_that_go_by_the_suffix_see_it(tmp_path: Path, name: str, suffix: str) -> None:
    with whole_file(tmp_path / name) as temporary:
        assert "".join(temporary.suffixes) == suffix


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(error), whole_file(path) as temporary:
        temporary.write_text("new")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_path_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError) as caught:
            write_text(path, "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_are_for_those_that_the_user_shares_with(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "report.json", "{}")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == mode


def test_the_umask_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one for all threads: while it is changed, another's file is open to everybody."""

    def refuse(mask: int) -> int:
        raise AssertionError(f"the umask was set to {mask:o}")

    monkeypatch.setattr(os, "umask", refuse)
    write_text(tmp_path / "report.json", "{}")


def test_a_full_disk_is_said_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "heatmap.nii.gz"
    with pytest.raises(OSError, match="No space left") as full, whole_file(path):
        raise OSError(28, "No space left on device")  # as a stream says it, without a name
    assert full.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write_text(tmp_path / "report.json", "{}")
    file, folder = synced
    assert Path(file).parent == tmp_path == Path(folder)


def test_text_is_utf_8(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "D²4FAD, 5 µm\n")
    assert (tmp_path / "a.txt").read_bytes() == "D²4FAD, 5 µm\n".encode()


def test_the_hash_of_a_file_is_what_sha256sum_prints(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one block
    (tmp_path / "a").write_bytes(content)
    assert hash_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_the_hash_of_parts_knows_where_each_ends() -> None:
    hashes = {hash_bytes(b"ab", b"c"), hash_bytes(b"a", b"bc"), hash_bytes(b"abc"), hash_bytes()}
    assert len(hashes) == 4
    assert hash_bytes(b"ab", memoryview(b"c")) == hash_bytes(b"ab", b"c")


def test_a_copy_replaces_what_was_there_and_a_file_copied_onto_itself_stays(tmp_path: Path) -> None:
    source, target = tmp_path / "source.nii", tmp_path / "folder" / "target.nii"
    write_text(source, "new")
    write_text(target, "old")
    copy_whole(source, target)
    copy_whole(source, source)
    assert (source.read_text(), target.read_text()) == ("new", "new")
    assert sorted(tmp_path.rglob("*.nii")) == [target, source]
