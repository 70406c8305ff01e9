"""Files of which single bytes are changed, as a bad disk does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

CHANGES = 200


def change_bytes(path: Path) -> Iterator[None]:
    """Change one byte of a file to any other value, `CHANGES` times, each time from the whole."""
    whole, draw = path.read_bytes(), np.random.default_rng(0)
    for _ in range(CHANGES):
        content = bytearray(whole)
        content[int(draw.integers(len(whole)))] ^= int(draw.integers(1, 256))
        path.write_bytes(bytes(content))
        yield
