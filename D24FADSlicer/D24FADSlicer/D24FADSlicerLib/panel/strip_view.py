"""The strip of slice scores on the panel: painted in memory, clicked to go to a slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from ..logic.contrast import Color
from ..logic.strip import GROUND, Strip

_TEXT_PIXELS = 10


class ClickWatcher(qt.QWidget):
    """Tells at which column of a label the mouse was pressed; never seen itself.

    Args:
        label: the label; it owns the watcher.
        pressed: gets the column, pixels.
    """

    def __init__(self, label: Any, pressed: Callable[[int], None]) -> None:
        qt.QWidget.__init__(self, label)
        self.hide()
        self._pressed = pressed
        label.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        """Qt's hook for the events of another widget."""
        if event.type() == qt.QEvent.MouseButtonPress:
            self._pressed(event.pos().x())
            return True
        return False


def paint(label: Any, strip: Strip) -> None:
    """Show a strip on a label."""
    pixmap = qt.QPixmap(strip.width, strip.height)
    pixmap.fill(_color(GROUND))
    painter = qt.QPainter()
    painter.begin(pixmap)
    for box in strip.boxes:
        painter.fillRect(box.left, box.top, box.width, box.height, _color(box.color))
    font = painter.font()
    font.setPixelSize(_TEXT_PIXELS)
    painter.setFont(font)
    for word in strip.words:
        painter.setPen(_color(word.color))
        painter.drawText(word.left, word.base, word.text)
    painter.end()
    label.setPixmap(pixmap)


def _color(color: Color) -> Any:
    return qt.QColor(color[0], color[1], color[2])
