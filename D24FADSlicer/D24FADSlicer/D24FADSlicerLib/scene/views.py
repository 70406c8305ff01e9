"""The slice views: layers, opacity, jumping, window presets."""

from __future__ import annotations

from typing import Any

import slicer

CT_WINDOWS = {
    "Brain": (80.0, 40.0),
    "Soft tissue": (400.0, 40.0),
    "Lung": (1500.0, -600.0),
    "Mediastinum": (350.0, 50.0),
    "Bone": (1800.0, 400.0),
}
"""Width and level in HU."""

HEATMAP = "D24FAD.Result"
"""The attribute by which heatmaps are known; it holds the result's id."""

QUERY_VIEW = "Red"
"""The view whose middle says which place of the case is looked at."""


def show_case(volume: Any, heatmap: Any, opacity: float) -> None:
    """Show a volume with its heatmap in all slice views; the views stay where they are."""
    slicer.util.setSliceViewerLayers(
        background=volume, foreground=heatmap, foregroundOpacity=opacity
    )


def show_volume(volume: Any) -> None:
    """Show a volume in all slice views.

    Place and zoom stay, and so do the user's own layers over it; only the heatmap of another case
    goes. The views are fitted where they would not show the volume at all.
    """
    scene = slicer.mrmlScene
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if is_heatmap(scene.GetNodeByID(composite.GetForegroundVolumeID() or "")):
            composite.SetForegroundVolumeID(None)
        composite.SetBackgroundVolumeID(volume.GetID())
    if not _is_in_view(volume):
        fit_views()


def fit_views() -> None:
    """Show everything that the slice views show whole."""
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for index in range(logics.GetNumberOfItems()):
        logics.GetItemAsObject(index).FitSliceToBackground()


def is_heatmap(node: Any) -> bool:
    """Whether a node is a heatmap of this module."""
    return node is not None and node.GetAttribute(HEATMAP) is not None


def _is_in_view(volume: Any) -> bool:
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    middle = position_in_view()
    inside = all(bounds[2 * a] <= middle[a] <= bounds[2 * a + 1] for a in range(3))
    largest = max(bounds[2 * axis + 1] - bounds[2 * axis] for axis in range(3))
    # A view that never showed anything is 250 mm wide; one that shows a corner helps nobody.
    return inside and slice_node().GetFieldOfView()[0] > 0.1 * largest


def set_heatmap_opacity(heatmap: Any, opacity: float) -> None:
    """Set the heatmap's opacity where it is shown."""
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetForegroundVolumeID() == heatmap.GetID():
            composite.SetForegroundOpacity(opacity)


def set_legend_visible(heatmap: Any, visible: bool) -> None:
    """Show or hide the heatmap's legend."""
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(heatmap)
    if legend is not None:
        legend.SetVisibility(visible)


def world_of(volume: Any, ras_mm: tuple[float, float, float]) -> tuple[float, float, float]:
    """Where a position in a volume's own RAS lies in the scene, through the volume's transform."""
    moved = [0.0, 0.0, 0.0]
    volume.TransformPointToWorld(list(ras_mm), moved)
    return moved[0], moved[1], moved[2]


def own_ras_of(volume: Any, world_mm: tuple[float, float, float]) -> tuple[float, float, float]:
    """The other way: a position of the scene in a volume's own RAS."""
    moved = [0.0, 0.0, 0.0]
    volume.TransformPointFromWorld(list(world_mm), moved)
    return moved[0], moved[1], moved[2]


def jump_to(volume: Any, ras_mm: tuple[float, float, float]) -> None:
    """Centre every slice view on a position in a volume's own RAS, mm."""
    world = world_of(volume, ras_mm)
    slicer.vtkMRMLSliceNode.JumpAllSlices(
        slicer.mrmlScene, *world, slicer.vtkMRMLSliceNode.CenteredJumpSlice
    )


def slice_node(view: str = QUERY_VIEW) -> Any:
    """The node of a slice view; it is there whatever the layout shows."""
    return slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceNode")


def position_in_view(view: str = QUERY_VIEW) -> tuple[float, float, float]:
    """The middle of a slice view, world RAS, mm."""
    matrix = slice_node(view).GetSliceToRAS()
    return matrix.GetElement(0, 3), matrix.GetElement(1, 3), matrix.GetElement(2, 3)


def set_ct_window(volume: Any, name: str) -> None:
    """Show a CT with one of `CT_WINDOWS`."""
    width, level = CT_WINDOWS[name]
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(width, level)
