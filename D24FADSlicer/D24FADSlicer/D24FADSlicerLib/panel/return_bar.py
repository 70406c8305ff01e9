"""The bar that leads back to the review while an outline is edited in the Segment Editor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from ..logic.language import tr as _


class ReturnBar:
    """A toolbar of Slicer's window, shown while the reviewer is in the Segment Editor.

    Args:
        window: the main window; None where Slicer runs without one.
        back: opens the panel again.
    """

    def __init__(self, window: Any, back: Callable[[], None]) -> None:
        self._bar: Any = None
        if window is None:
            return
        self._window = window
        self._bar = qt.QToolBar()
        self._bar.setObjectName("D24FADReturnBar")
        self._bar.setWindowTitle(_("D24FAD review"))
        self.button = qt.QPushButton()
        self.button.connect("clicked(bool)", back)
        self._bar.addWidget(self.button)
        window.addToolBar(self._bar)
        self.hide()

    def show(self, finding: int) -> None:
        """Offer the way back from the outline of a finding."""
        if self._bar is not None:
            self.button.text = _("Back to review (finding {number})").format(number=finding)
            self._bar.visible = True

    def hide(self) -> None:
        """The panel shows again."""
        if self._bar is not None:
            self._bar.visible = False

    def delete(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._window.removeToolBar(self._bar)
            self._bar.setParent(None)
            self._bar.deleteLater()
            self._bar = None
