"""Colours that can be read on the ground they stand on (WCAG 2.1, contrast of text)."""

from __future__ import annotations

READABLE = 4.5
"""Least contrast of text of normal size, by WCAG 2.1 AA."""

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

_STEPS = 100


def contrast(first: Color, second: Color) -> float:
    """The contrast of two colours: 1 where they are equal, 21 for black on white."""
    bright, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def readable(hue: Color, ground: Color, least: float = READABLE) -> Color:
    """The colour nearest to a hue that can be read on a ground.

    Args:
        hue: the colour that would be wanted.
        ground: what the text stands on.
        least: the contrast that is needed; at most 4.58, which some grounds allow no more than.

    Returns:
        The hue itself, or mixed with as little white or black as is needed.
    """
    for step in range(_STEPS + 1):
        for end in ((255, 255, 255), (0, 0, 0)):
            mixed = _mix(hue, end, step / _STEPS)
            if contrast(mixed, ground) >= least:
                return mixed
    raise ValueError(f"no colour has a contrast of {least} on {ground}; ask for 4.58 at most")


def as_hex(color: Color) -> str:
    """The colour as style sheets write it."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def _mix(color: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(c + (o - c) * share) for c, o in zip(color, other))
    return red, green, blue


def _luminance(color: Color) -> float:
    channels = [value / 255 for value in color]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
