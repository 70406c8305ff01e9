"""A line for a note: what is being typed into it is neither overwritten nor lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class NoteField:
    """Shows the note of one thing at a time, and hands on what the user writes.

    Answers of the server redraw the panel at any time, also between two keys.

    Args:
        edit: the line.
        write: gets what a note is about, and its text.
    """

    def __init__(self, edit: Any, write: Callable[[Any, str], None]) -> None:
        self._edit = edit
        self._write = write
        self._about: Any = None
        edit.connect("editingFinished()", self._finish)

    def show(self, about: Any, note: str) -> None:
        """Show a note, unless the user is writing this very one.

        Args:
            about: what it is about.
            note: its text.
        """
        if self._edit.modified and about == self._about:
            return
        self.take_typed()
        self._about = about
        if str(self._edit.text) != note:
            self._edit.text = note

    def take_typed(self) -> None:
        """Hand on what was typed, where the line has not lost the focus yet."""
        if self._edit.modified:
            self._finish()

    def _finish(self) -> None:
        self._edit.modified = False
        self._write(self._about, str(self._edit.text).strip())
