"""The colours of messages, found from the palette of Slicer's theme."""

from __future__ import annotations

from enum import Enum
from typing import Any

import qt

from ..logic.contrast import Color, as_hex, readable


class Tone(Enum):
    """What a message is: its hue, red, green and blue; the theme decides how light it is."""

    PROBLEM = (176, 0, 32)
    DONE = (27, 94, 32)
    NOTICE = (150, 90, 0)


def ground_of(widget: Any) -> Color:
    """The colour that a widget's text stands on."""
    color = widget.palette.color(qt.QPalette.Window)
    return color.red(), color.green(), color.blue()


def paint(label: Any, tone: Tone) -> None:
    """Give a label's text a tone that can be read in the theme of now."""
    # A style sheet of the label's own hides what the theme says, so the panel's is asked.
    color = readable(tone.value, ground_of(label.parent()))
    label.styleSheet = f"color: {as_hex(color)}; font-weight: bold;"
