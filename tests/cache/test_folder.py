"""A cache is never needed, stays below its limit and holds only its own files."""

import os
import warnings
from pathlib import Path

import pytest

from d24fad_core.cache.folder import (
    LIMIT_VARIABLE,
    CacheWarning,
    cached_files,
    clear,
    default_folder,
    keep,
    size_limit,
)
from d24fad_core.errors import ConfigurationError
from d24fad_core.files import write_text


def save(text: str, path: Path) -> None:
    write_text(path, text)


def fill(folder: Path, names: list[str], size: int = 1000) -> None:
    """Files of some size, each used later than the one before."""
    for time, name in enumerate(names, 1):
        write_text(folder / name, "x" * size)
        os.utime(folder / name, (time, time))


def test_what_is_kept_lies_at_its_path(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keep("text", tmp_path / "studies" / "a.json", tmp_path, save)
    assert (tmp_path / "studies" / "a.json").read_text() == "text"


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    folder = tmp_path / "taken" / "cache"
    with pytest.warns(CacheWarning, match="cannot be written .*goes on without it"):
        keep("text", folder / "a.json", folder, save)


def test_what_was_used_longest_ago_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a.safetensors", "frames/b.safetensors", "references/c.safetensors", "studies/d.json"]
    fill(tmp_path, names)
    monkeypatch.setenv(LIMIT_VARIABLE, "0.0000035")
    keep("x" * 1000, tmp_path / "e.safetensors", tmp_path, save)
    left = {file.path.relative_to(tmp_path).as_posix() for file in cached_files(tmp_path)}
    assert left == {"references/c.safetensors", "studies/d.json", "e.safetensors"}


def test_the_newest_file_stays_even_where_it_alone_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, ["a.safetensors"])
    monkeypatch.setenv(LIMIT_VARIABLE, "0.0000005")
    keep("x" * 1000, tmp_path / "b.safetensors", tmp_path, save)
    assert [file.path.name for file in cached_files(tmp_path)] == ["b.safetensors"]


def test_a_reading_counts_as_use(tmp_path: Path) -> None:
    fill(tmp_path, ["a.safetensors", "b.safetensors"])
    os.utime(tmp_path / "a.safetensors", (9, 1))
    assert [file.path.name for file in cached_files(tmp_path)] == ["b.safetensors", "a.safetensors"]


@pytest.mark.parametrize("text", ["0", "-1", "much", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, text)
    with pytest.raises(ConfigurationError, match=f"D24FAD_CACHE_GB is '{text}'"):
        size_limit()


def test_clearing_leaves_what_others_put_there(tmp_path: Path) -> None:
    fill(tmp_path, ["a.safetensors", "frames/b.safetensors", "scan.nii", "mine/c.safetensors"])
    assert clear(tmp_path) == 2000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "scan.nii"]
    assert (tmp_path / "mine" / "c.safetensors").is_file()
    assert clear(tmp_path / "absent") == 0


def test_the_system_says_where_caches_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "d24fad"
