"""The slice-score strip: one bar for each slice, drawn as a picture that can be clicked."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .colors import rgb_of, scale_maximum

_GROUND = (38, 38, 42)
_BELOW = (96, 104, 116)
_LINE = (235, 235, 235)
_MARK = (64, 200, 255)


def draw_strip(
    scores: Sequence[float], threshold: float, current: int | None, width: int, height: int
) -> NDArray[np.uint8]:
    """Draw the strip.

    Bars of slices above the threshold have the heatmap's colours, the others are grey; the
    threshold is a line, the current slice a mark through the whole height.

    Args:
        scores: one score for each slice, z units.
        threshold: z units.
        current: the slice in view; None for none.
        width: pixels.
        height: pixels.

    Returns:
        Red, green and blue, shape (height, width, 3).
    """
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = _GROUND
    if not scores:
        return picture
    top = max(scale_maximum(threshold), *scores)
    slices = np.minimum(np.arange(width) * len(scores) // width, len(scores) - 1)
    column_scores = np.asarray(scores, float)[slices]
    bars = np.round(np.clip(column_scores / top, 0, 1) * (height - 1)).astype(int)
    colors = rgb_of(column_scores, threshold)
    colors[column_scores <= threshold] = _BELOW
    rows_up = height - 1 - np.arange(height)[:, None]
    filled = (rows_up <= bars[None, :]) & (column_scores > 0)[None, :]
    picture[filled] = np.broadcast_to(colors, picture.shape)[filled]
    line = height - 1 - round(min(threshold / top, 1.0) * (height - 1))
    picture[line, ::3] = _LINE
    if current is not None:
        picture[:, slice_columns(current, len(scores), width)] = _MARK
    return picture


def slice_columns(index: int, count: int, width: int) -> slice:
    """The columns of the mark of a slice: two pixels in the middle of its bar."""
    middle = int((index + 0.5) * width / count)
    first = min(max(middle - 1, 0), max(width - 2, 0))
    return slice(first, first + 2)


def slice_at(column: int, count: int, width: int) -> int:
    """The slice under a column of the picture."""
    return min(max(column * count // max(width, 1), 0), count - 1)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """The picture as a PNG file."""
    height, width, _ = picture.shape
    rows = np.zeros((height, 1 + width * 3), np.uint8)
    rows[:, 1:] = picture.reshape(height, -1)

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)),
            chunk(b"IEND", b""),
        )
    )
