"""The user's language: texts are marked here and translated by Slicer, where it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable

Translate = Callable[[str, str], str]
"""From a context and an English text to the text in the user's language."""


def _as_written(context: str, text: str) -> str:
    return text


class _Language:
    """Holds how texts are translated, so that the rooms without Slicer need not know it."""

    def __init__(self) -> None:
        self.translate: Translate = _as_written


_language = _Language()


def translate_by(translate: Translate) -> None:
    """Name who translates: `slicer.i18n.translate` in Slicer."""
    _language.translate = translate


def tr(text: str) -> str:
    """A text in the user's language; imported as `_`.

    The context is that of Slicer's own `tr`: the folder and the file of the caller, by which
    Qt's tools file the texts. A text with places to fill (`{count}`) is filled after it.
    """
    caller = sys._getframe(1).f_globals["__name__"]
    return _language.translate(".".join(caller.split(".")[-2:]), text)
