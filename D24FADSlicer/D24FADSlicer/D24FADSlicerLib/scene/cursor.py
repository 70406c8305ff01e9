"""The linked cursor: where the mouse is in one view of a comparison, marked in the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from .views import slice_node

Position = tuple[float, float, float]
_COLOR = (0.25, 0.8, 1.0)


class LinkedCursor:
    """A cross in one view that follows the mouse in another.

    Args:
        source: the view that the mouse is followed in.
        target: the view that shows the cross.
        place_of: from a place of one to that of the other, both world RAS mm.
    """

    def __init__(self, source: str, target: str, place_of: Callable[[Position], Position]) -> None:
        self._source = slice_node(source)
        self._place_of = place_of
        self._last: Position | None = None
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "D24FAD cursor")
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetColor(*_COLOR)
        display.SetSelectedColor(*_COLOR)
        display.SetGlyphTypeFromString("Cross2D")
        display.SetGlyphScale(3.0)
        display.SetPointLabelsVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        display.SetVisibility3D(False)
        display.AddViewNodeID(slice_node(target).GetID())
        node.AddControlPoint([0.0, 0.0, 0.0])
        node.SetLocked(True)
        display.SetVisibility(False)
        self.node = node

    def follow(self) -> None:
        """Move the cross to where the mouse is; called often."""
        place = self._mouse()
        if place == self._last:
            return
        self._last = place
        if place is not None:
            self.node.SetNthControlPointPositionWorld(0, *self._place_of(place))
        self.node.GetDisplayNode().SetVisibility(place is not None)

    def remove(self) -> None:
        """Take the cross away."""
        if self.node.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(self.node)

    def _mouse(self) -> Position | None:
        """Where the mouse is in the source's view, world RAS mm; None where it is elsewhere."""
        crosshair: Any = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        if crosshair is None or self._source is None:
            return None
        if crosshair.GetCursorPositionXYZ([0.0, 0.0, 0.0]) is not self._source:
            return None
        place = [0.0, 0.0, 0.0]
        if not crosshair.GetCursorPositionRAS(place):
            return None
        return place[0], place[1], place[2]
