"""The token without which a local server answers nobody: other users work on the machine too."""

import os
import secrets
from pathlib import Path

from d24fad_core.errors import ConfigurationError

_SHORTEST = 16


def read_token(path: Path) -> str:
    """The token in a file; a new one is made, for its owner's eyes only, where there is no file.

    Raises:
        ConfigurationError: it is too short to keep anybody out, or the file cannot be read.
    """
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            token = path.read_text(encoding="utf-8").strip()
        else:
            token = secrets.token_urlsafe(32)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(f"{token}\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"--token-file {path}: it cannot be read ({type(error).__name__}).",
            "Give a file of your own, or the path of one to make.",
        ) from error
    if len(token) < _SHORTEST:
        raise ConfigurationError(
            f"--token-file {path}: the token has {len(token)} characters, and needs {_SHORTEST}.",
            "Remove the file to have a token made.",
        )
    return token
