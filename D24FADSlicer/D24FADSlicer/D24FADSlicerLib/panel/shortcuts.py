"""The keys of the review: they work while the panel shows, and go when it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt


class Shortcuts:
    """Keys that call functions.

    They belong to the main window, so that they also work while a slice view has the focus. A
    panel that is reloaded has to `delete` them: two shortcuts of one key are ambiguous, and Qt
    then calls neither.

    Args:
        window: the main window; None where Slicer runs without one.
        actions: what each key does.
    """

    def __init__(self, window: Any, actions: Mapping[str, Callable[[], None]]) -> None:
        self._shortcuts: list[Any] = []
        if window is None:
            return
        for key, action in actions.items():
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.connect("activated()", action)
            shortcut.setEnabled(False)
            self._shortcuts.append(shortcut)

    def enable(self, enabled: bool) -> None:
        """Let the keys work, or leave them to other modules."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(enabled)

    def delete(self) -> None:
        """Take the keys away."""
        self.enable(False)
        for shortcut in self._shortcuts:
            # deleteLater waits for the event loop; until then the key must not be taken.
            shortcut.setKey(qt.QKeySequence())
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []
