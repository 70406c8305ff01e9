"""Clearing away what a server that was killed had begun to write."""

import shutil
import time
from pathlib import Path

_PATTERN = ".partial-*"
_HOUR_SECONDS = 3600.0


def remove_leftovers(studies: Path, state: Path) -> None:
    """Remove unfinished files and folders; what was finished had got its own name.

    Args:
        studies: the studies folder. Other programs write here too, so only what has not been
            touched for an hour goes.
        state: the server's own folder inside it; one server works there at a time.
    """
    for leftover in list(state.rglob(_PATTERN)):
        _remove(leftover)
    for folder in (studies, *(studies / "labels").glob("*/")):
        for leftover in folder.glob(_PATTERN):
            if time.time() - leftover.stat().st_mtime > _HOUR_SECONDS:
                _remove(leftover)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
