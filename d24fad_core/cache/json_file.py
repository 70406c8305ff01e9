"""Values in small JSON files that notice when a byte of theirs has changed."""

import json
from pathlib import Path
from typing import Any

from d24fad_core.files import hash_bytes, write_text


def save_values(values: Any, path: Path) -> None:
    """Write values that JSON can hold, with a checksum over them, whole or not at all."""
    text = json.dumps(values)
    write_text(path, json.dumps({"values": text, "checksum": hash_bytes(text.encode())}) + "\n")


def load_values(path: Path) -> Any:
    """Read a file of `save_values` and verify it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        text = document["values"]
        intact = document["checksum"] == hash_bytes(text.encode())
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: is no file of kept values") from error
    if not intact:
        raise ValueError(f"{path}: the checksum differs")
    return json.loads(text)
