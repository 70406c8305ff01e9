"""The number of each finding in the views, at the place of its highest score."""

from __future__ import annotations

from typing import Any

import slicer

from .hierarchy import place_beside
from .parameters import CaseNode

# No colour of a decision.
_COLOR = (1.0, 1.0, 1.0)


def show_numbers(case: CaseNode) -> None:
    """Write the number of each finding of the analysis beside it."""
    analysis, node = case.analysis, case.numbers
    if analysis is None:
        return
    if node is None:
        node = _new_node(case.volume)
        case.numbers = node
    node.SetAndObserveTransformNodeID(case.volume.GetTransformNodeID())
    node.SetLocked(False)
    node.RemoveAllControlPoints()
    for finding in analysis.findings:
        index = node.AddControlPoint(list(finding.peak_ras_mm), str(finding.rank))
        node.SetNthControlPointLocked(index, True)
    node.SetLocked(True)


def set_visible(case: CaseNode, visible: bool) -> None:
    """Show or hide the numbers."""
    if case.numbers is not None:
        case.numbers.GetDisplayNode().SetVisibility(visible)


def _new_node(volume: Any) -> Any:
    name = slicer.mrmlScene.GenerateUniqueName("Finding numbers")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetColor(*_COLOR)
    display.SetSelectedColor(*_COLOR)
    display.SetGlyphTypeFromString("Cross2D")
    display.SetUseGlyphScale(True)
    display.SetGlyphScale(1.5)
    display.SetTextScale(5.0)
    text = display.GetTextProperty()
    text.SetBold(True)
    text.SetBackgroundColor(0.0, 0.0, 0.0)
    text.SetBackgroundOpacity(0.6)
    display.SetPointLabelsVisibility(True)
    display.SetPropertiesLabelVisibility(False)
    display.SetVisibility3D(False)
    place_beside(node, volume)
    return node
