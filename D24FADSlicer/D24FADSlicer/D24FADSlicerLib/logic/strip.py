"""The strip of slice scores: one bar for each slice, with axis, numbers and orientation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .colors import rgb_of, scale_maximum
from .contrast import Color

GROUND: Color = (38, 38, 42)
TEXT: Color = (235, 235, 235)
MARK: Color = (64, 200, 255)
_BELOW: Color = (122, 130, 142)
_LEFT, _RIGHT, _TOP, _BOTTOM = 26, 8, 6, 16
_CHARACTER = 6
"""Width of a digit of the strip's text, pixels."""


@dataclass(frozen=True)
class Box:
    """A filled rectangle, pixels from the top left."""

    left: int
    top: int
    width: int
    height: int
    color: Color


@dataclass(frozen=True)
class Word:
    """A text, by the left end of its base line, pixels from the top left."""

    left: int
    base: int
    text: str
    color: Color


@dataclass(frozen=True)
class Strip:
    """What is drawn, in this order: bars, the threshold, the mark of the slice in view, texts.

    Attributes:
        width: pixels.
        height: pixels.
        boxes: filled rectangles.
        words: texts.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    words: tuple[Word, ...]


def lay_out(
    scores: Sequence[float],
    threshold: float,
    current: int | None,
    ends: tuple[str, str],
    width: int,
    height: int,
) -> Strip:
    """Lay the strip out.

    Bars of slices above the threshold have the heatmap's colours, the others are grey; the
    threshold is a dotted line, the slice in view a mark with its number.

    Args:
        scores: one score for each slice, z units.
        threshold: z units.
        current: the slice in view, counted from 0; None for none.
        ends: the sides of the patient that the first and the last slice lie at, e.g. I and S.
        width: pixels.
        height: pixels.
    """
    if not scores:
        return Strip(width, height, (), ())
    top = max(scale_maximum(threshold), *scores)
    floor, plot = height - _BOTTOM, height - _BOTTOM - _TOP

    def level(score: float) -> int:
        return floor - round(min(max(score / top, 0.0), 1.0) * plot)

    boxes = _bars(scores, threshold, level, floor, width)
    line = level(threshold)
    boxes += [Box(x, line, 1, 1, TEXT) for x in range(_LEFT, width - _RIGHT, 3)]
    words = [
        Word(2, floor, "0", TEXT),
        Word(2, _TOP + 8, f"{top:.0f}", TEXT),
        Word(2, min(max(line + 4, _TOP + 20), floor - 10), f"{threshold:.1f}", TEXT),
    ]
    first, last = f"{ends[0]} 1", f"{len(scores)} {ends[1]}"
    right = width - _RIGHT - _CHARACTER * len(last)
    words += [Word(_LEFT, height - 4, first, TEXT), Word(right, height - 4, last, TEXT)]
    if current is not None:
        columns = slice_columns(current, len(scores), width)
        boxes.append(Box(columns.start, _TOP, 2, plot, MARK))
        number = str(current + 1)
        at = columns.start + 1 - _CHARACTER * len(number) // 2
        nearest = _LEFT + _CHARACTER * (len(first) + 1)
        furthest = right - _CHARACTER * (len(number) + 1)
        words.append(Word(min(max(at, nearest), furthest), height - 4, number, MARK))
    return Strip(width, height, tuple(boxes), tuple(words))


def _bars(
    scores: Sequence[float],
    threshold: float,
    level: Callable[[float], int],
    floor: int,
    width: int,
) -> list[Box]:
    values = np.asarray(scores, float)
    colors: NDArray[np.uint8] = rgb_of(values, threshold)
    bars = []
    # By rising score: where slices share a column, the highest is seen.
    for index in np.argsort(values, kind="stable"):
        left, right = (_edge(i, len(scores), width) for i in (int(index), int(index) + 1))
        up = level(float(values[index]))
        if up < floor:
            red, green, blue = (int(value) for value in colors[index])
            color = (red, green, blue) if values[index] > threshold else _BELOW
            bars.append(Box(left, up, max(right - left, 1), floor - up, color))
    return bars


def _edge(index: int, count: int, width: int) -> int:
    return _LEFT + index * max(width - _LEFT - _RIGHT, 1) // count


def slice_columns(index: int, count: int, width: int) -> slice:
    """The columns of the mark of a slice: two pixels in the middle of its bar."""
    middle = (_edge(index, count, width) + _edge(index + 1, count, width)) // 2
    first = min(max(middle - 1, 0), max(width - 2, 0))
    return slice(first, first + 2)


def slice_at(column: int, count: int, width: int) -> int:
    """The slice under a column of the picture."""
    plot = max(width - _LEFT - _RIGHT, 1)
    index = int((column - _LEFT + 0.5) * count // plot)
    return min(max(index, 0), count - 1)
