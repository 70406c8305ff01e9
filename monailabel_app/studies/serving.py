"""What must hold before a server works on a studies folder: it is meant, and no other serves it."""

import logging
import os
from pathlib import Path

from filelock import FileLock, Timeout

from d24fad_core.errors import ConfigurationError
from d24fad_core.files import write_text

logger = logging.getLogger(__name__)

_LOCK = "server.lock"
_PROCESS = "server.pid"


def claim(state: Path) -> FileLock:
    """Become the one server of a folder, until this process ends, however it ends.

    Args:
        state: the server's own folder; made when missing.

    Returns:
        The lock; it must be kept.

    Raises:
        ConfigurationError: another server works there.
    """
    state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(state / _LOCK, thread_local=False)
    process = state / _PROCESS
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        other = process.read_text(encoding="utf-8").strip() if process.is_file() else "unknown"
        raise ConfigurationError(
            f"{state.parent} is served already, by process {other}.",
            "Stop that server first, or give this one another --studies folder.",
        ) from error
    write_text(process, f"{os.getpid()}\n")
    return lock


def refuse_mistyped(studies: Path) -> None:
    """Refuse a folder that was not there: MONAI Label makes it, empty, when its path is mistyped.

    Raises:
        ConfigurationError: the folder is empty and no older than this process.
    """
    if any(studies.iterdir()) or studies.stat().st_mtime < _process_began():
        return
    studies.rmdir()
    raise ConfigurationError(
        f"--studies {studies}: there is no such folder.",
        "Give the one with the studies, or make it first (mkdir) for a server that starts empty.",
    )


def is_writable(folder: Path) -> bool:
    """Whether files can be kept in a folder, made when missing; says so in the log where not."""
    try:
        write_text(folder / ".writable", "")
        (folder / ".writable").unlink()
    except OSError as error:
        logger.warning(
            "Nothing is kept in %s (%s): normal studies are prepared anew each time", folder, error
        )
        return False
    return True


def _process_began() -> float:
    """When this Python began, to the millisecond: `logging` is among the first it loads."""
    record = logging.makeLogRecord({})
    return record.created - record.relativeCreated / 1000.0
