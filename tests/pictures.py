"""Pictures of the documents, which some tests take while tests in other processes look at them."""

import os
from pathlib import Path


def replace_picture(path: Path, content: bytes) -> None:
    """Put a picture in the place of a former one, at once and whole.

    Args:
        path: of the picture.
        content: of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not named like a picture, since others list those.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
