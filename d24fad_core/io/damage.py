"""Telling the user that a file is damaged, whatever the parser made of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from d24fad_core.errors import InputError


@contextmanager
def reporting_damage(path: Path, what: str) -> Iterator[None]:
    """Turn what a parser raises on the bytes of `path` into one sentence.

    Args:
        path: the file that is being parsed.
        what: what it should be, such as "NIfTI image".

    Raises:
        InputError: the file is not what it should be. Errors that do not come from its content
            (InputError, MemoryError, PermissionError) pass as they are.
    """
    try:
        yield
    except (InputError, MemoryError, PermissionError):
        raise
    except Exception as error:  # parsers document no list of what damaged bytes can raise
        raise InputError(
            f"{path}: not a whole {what} (damaged, cut off or of another format); copy or convert "
            "it again from its source."
        ) from error
