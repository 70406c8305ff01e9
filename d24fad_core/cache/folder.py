"""The folder of a cache: where it lies, how large it may get, and what is done when it is full."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import platformdirs

from d24fad_core.errors import ConfigurationError

LIMIT_VARIABLE = "D24FAD_CACHE_GB"
DEFAULT_LIMIT_GB = 20.0
SUBFOLDERS = (
    "",
    "files",
    "frames",
    "likenesses",
    "profiles",
    "references",
    "studies",
    "masks",
    "brain-likenesses",
    "learned-frames",
    "learned-held-out",
    "learned-normals",
    "learned-profiles",
    "learned-response",
    "learned-scales",
    "learned-stacks",
    "fused-scales",
    "joint-normals",
)
_SUFFIXES = (".safetensors", ".json")

_Value = TypeVar("_Value")


class CacheWarning(UserWarning):
    """Something about a cache; the results are the same without it."""


@dataclass(frozen=True)
class CachedFile:
    """A file of a cache.

    Attributes:
        path: where it is.
        size: in bytes.
        last_use: seconds since the epoch.
    """

    path: Path
    size: int
    last_use: float


def default_folder() -> Path:
    """The cache folder that the system keeps for this program and user."""
    return platformdirs.user_cache_path("d24fad", appauthor=False)


def size_limit() -> int:
    """How many bytes a cache may take: `D24FAD_CACHE_GB` in 10^9 bytes, 20 of them by default.

    Raises:
        ConfigurationError: the variable holds no positive number.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        limit = float(text) if text else DEFAULT_LIMIT_GB
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise ConfigurationError(
            f"{LIMIT_VARIABLE} is '{text}'",
            "give the size of the cache in GB, such as 20.",
        )
    return int(limit * 1e9)


def cached_files(folder: Path) -> list[CachedFile]:
    """The files of a cache, those first that were used longest ago; empty where there is none."""
    files = list(_files(folder))
    return sorted(files, key=lambda file: (file.last_use, file.path))


def clear(folder: Path) -> int:
    """Remove the files of a cache, and nothing else.

    Returns:
        How many bytes became free.

    Raises:
        OSError: a file cannot be removed.
    """
    freed = 0
    for file in cached_files(folder):
        file.path.unlink(missing_ok=True)
        freed += file.size
    for name in reversed(SUBFOLDERS):
        with suppress(OSError):  # it holds something else
            (folder / name).rmdir()
    return freed


def keep(value: _Value, path: Path, folder: Path, save: Callable[[_Value, Path], None]) -> None:
    """Put something into a cache, or go on without.

    Args:
        value: what is kept.
        path: its file.
        folder: the cache that the file is part of; it is kept below `size_limit`.
        save: writes the file, whole or not at all.

    Warns:
        CacheWarning: it could not be written.
    """
    try:
        save(value, path)
    except OSError as error:
        warnings.warn(
            f"{folder}: the cache cannot be written ({error.strerror or error}); the analysis goes "
            "on without it and will take as long again. Free some space, check your rights there, "
            "or choose another folder.",
            CacheWarning,
            stacklevel=2,
        )
    else:
        _evict(folder, path)


def fetch_or_make(
    path: Path | None,
    folder: Path | None,
    load: Callable[[Path], _Value | None],
    make: Callable[[], _Value],
    save: Callable[[_Value, Path], None],
) -> _Value:
    """What a cache holds at a path; made and put there where it holds nothing.

    Args:
        path: its file; None where there is no cache.
        folder: the cache that the file is part of.
        load: reads the file; None where it is absent or damaged.
        make: computes the value.
        save: writes the file, see `keep`.
    """
    value = None if path is None else load(path)
    if value is None:
        value = make()
        if path is not None and folder is not None:
            keep(value, path, folder, save)
    return value


def _evict(folder: Path, newest: Path) -> None:
    files = cached_files(folder)
    surplus = sum(file.size for file in files) - size_limit()
    for file in files:
        if surplus <= 0:
            return
        if file.path != newest:
            with suppress(OSError):  # another process has it open, or was faster
                file.path.unlink()
            surplus -= file.size


def _files(folder: Path) -> Iterator[CachedFile]:
    for name in SUBFOLDERS:
        if not (folder / name).is_dir():
            continue
        for path in (folder / name).iterdir():
            if path.suffix in _SUFFIXES:
                with suppress(FileNotFoundError):  # evicted by another process
                    status = path.stat()
                    yield CachedFile(path, status.st_size, max(status.st_atime, status.st_mtime))
