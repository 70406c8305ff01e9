"""Telling the user that a file is damaged, whatever the parser made of it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from d24fad_core.errors import InputError

_OF_THE_DISK = (errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE)


@contextmanager
def reporting_damage(path: Path, what: str) -> Iterator[None]:
    """Turn what a parser raises on the bytes of `path` into one sentence.

    Args:
        path: the file that is being parsed.
        what: what it should be, such as "NIfTI image".

    Raises:
        InputError: the file is not what it should be. Errors that do not come from its content
            (InputError, MemoryError, rights, a failing disk) pass as they are.
    """
    try:
        yield
    except (InputError, MemoryError, PermissionError):
        raise
    except OSError as error:
        if error.errno in _OF_THE_DISK:
            raise
        raise _damage(path, what) from error
    except Exception as error:  # parsers document no list of what damaged bytes can raise
        raise _damage(path, what) from error


def _damage(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: not a whole {what} (damaged, cut off or of another format)",
        "copy or convert it again from its source.",
    )
