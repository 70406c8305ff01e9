"""Which volumes are offered: those that can be studies, not the heatmaps."""

from __future__ import annotations

from typing import Any

import slicer

from ..scene.views import is_heatmap


def studies_in_scene() -> list[Any]:
    """The volumes of the scene that can be a case or a normal study."""
    return [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if node.GetClassName() == "vtkMRMLScalarVolumeNode"
        and not node.GetHideFromEditors()
        and not is_heatmap(node)
    ]


def hide_heatmaps(selector: Any) -> None:
    """Leave the heatmaps out of a selector of volumes."""
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    hidden = [node.GetID() for node in volumes if is_heatmap(node)]
    model = selector.sortFilterProxyModel()
    if list(model.hiddenNodeIDs) != hidden:
        model.hiddenNodeIDs = hidden
