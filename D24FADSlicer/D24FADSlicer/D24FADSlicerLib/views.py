"""The slice views: layers, opacity, jumping, window presets, two studies side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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

_QUERY_VIEW, _SUPPORT_VIEW = "Red", "Yellow"


def show_case(volume: Any, heatmap: Any, opacity: float) -> None:
    """Show a volume with its heatmap in all slice views; the views stay where they are."""
    slicer.util.setSliceViewerLayers(
        background=volume, foreground=heatmap, label=None, foregroundOpacity=opacity
    )


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


def slice_node(view: str = _QUERY_VIEW) -> Any:
    """The node of a slice view; it is there whatever the layout shows."""
    return slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceNode")


def position_in_view(view: str = _QUERY_VIEW) -> tuple[float, float, float]:
    """The middle of a slice view, world RAS, mm."""
    matrix = slice_node(view).GetSliceToRAS()
    return matrix.GetElement(0, 3), matrix.GetElement(1, 3), matrix.GetElement(2, 3)


def set_ct_window(volume: Any, name: str) -> None:
    """Show a CT with one of `CT_WINDOWS`."""
    width, level = CT_WINDOWS[name]
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(width, level)


@dataclass(frozen=True)
class FormerViews:
    """What the views showed before a comparison."""

    layout: int
    orientation: str
    background: str | None
    foreground: str | None


def keep_out_of_support_view(displays: Iterable[Any]) -> None:
    """Show what belongs to the case in every view but that of the support study."""
    for display in displays:
        for node_class in ("vtkMRMLSliceNode", "vtkMRMLViewNode"):
            for view in slicer.util.getNodesByClass(node_class):
                if view.GetLayoutName() != _SUPPORT_VIEW:
                    display.AddViewNodeID(view.GetID())


def show_everywhere(displays: Iterable[Any]) -> None:
    """Show it in every view again."""
    for display in displays:
        display.RemoveAllViewNodeIDs()


def compare_side_by_side(
    support: Any, query_ras: tuple[float, float, float], support_ras: tuple[float, float, float]
) -> FormerViews:
    """Show the case and a support study next to each other, each at its own matched slice.

    Args:
        support: the support study's volume node.
        query_ras: where to look in the case, world RAS, mm.
        support_ras: where to look in the support study, world RAS, mm.

    Returns:
        What `end_comparison` needs.
    """
    manager = slicer.app.layoutManager()
    query_node, support_node = slice_node(_QUERY_VIEW), slice_node(_SUPPORT_VIEW)
    logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(_SUPPORT_VIEW)
    composite = logic.GetSliceCompositeNode()
    former = FormerViews(
        int(manager.layout),
        support_node.GetOrientation(),
        composite.GetBackgroundVolumeID(),
        composite.GetForegroundVolumeID(),
    )
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)
    support_node.SetOrientation(query_node.GetOrientation())
    composite.SetBackgroundVolumeID(support.GetID())
    composite.SetForegroundVolumeID(None)
    query_node.JumpSliceByCentering(*query_ras)
    logic.FitSliceToBackground()
    _zoom_alike(query_node, support_node)
    support_node.JumpSliceByCentering(*support_ras)
    return former


def _zoom_alike(query_node: Any, support_node: Any) -> None:
    """Show a mm as long in one view as in the other."""
    field, size = query_node.GetFieldOfView(), query_node.GetDimensions()
    wide, high, _ = support_node.GetDimensions()
    mm_per_pixel = field[0] / max(size[0], 1)
    depth = support_node.GetFieldOfView()[2]
    support_node.SetFieldOfView(wide * mm_per_pixel, high * mm_per_pixel, depth)


def end_comparison(former: FormerViews) -> None:
    """Show what was shown before the comparison."""
    manager = slicer.app.layoutManager()
    logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(_SUPPORT_VIEW)
    composite = logic.GetSliceCompositeNode()
    slice_node(_SUPPORT_VIEW).SetOrientation(former.orientation)
    composite.SetBackgroundVolumeID(former.background)
    composite.SetForegroundVolumeID(former.foreground)
    manager.setLayout(former.layout)
    logic.FitSliceToBackground()
