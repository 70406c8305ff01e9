"""Captions in the slice views: what each of them shows."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

_SIZE = 16
_LEFT, _BELOW_TOP = 0.02, 0.93


class Caption:
    """A text at the top of a slice view, above what Slicer's own annotations write.

    Args:
        view: the slice view, such as Red.
        text: what it says.
    """

    def __init__(self, view: str, text: str) -> None:
        self._view = view
        self._actor = vtk.vtkTextActor()
        self._actor.SetInput(text)
        style = self._actor.GetTextProperty()
        style.SetFontSize(_SIZE)
        style.SetBold(True)
        style.SetColor(1.0, 1.0, 1.0)
        style.SetBackgroundColor(0.0, 0.0, 0.0)
        style.SetBackgroundOpacity(0.6)
        style.SetVerticalJustificationToTop()
        place = self._actor.GetPositionCoordinate()
        place.SetCoordinateSystemToNormalizedViewport()
        place.SetValue(_LEFT, _BELOW_TOP)
        self._renderer = _renderer_of(view)
        self._renderer.AddViewProp(self._actor)
        _draw(view)

    @property
    def text(self) -> str:
        """What it says."""
        return str(self._actor.GetInput())

    def remove(self) -> None:
        """Take it away."""
        self._renderer.RemoveViewProp(self._actor)
        _draw(self._view)


def _slice_view(view: str) -> Any:
    return slicer.app.layoutManager().sliceWidget(view).sliceView()


def _renderer_of(view: str) -> Any:
    return _slice_view(view).renderWindow().GetRenderers().GetFirstRenderer()


def _draw(view: str) -> None:
    _slice_view(view).scheduleRender()
