"""A support study beside the case, at the place that the middle of the case's view shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk

from ..logic.matching import SupportMatch, foreground_range, matched_slice
from .captions import Caption
from .cursor import LinkedCursor, Position
from .heatmap import affine_of
from .parameters import CaseNode
from .views import QUERY_VIEW, own_ras_of, position_in_view, slice_node, world_of
from .windows import equalize

_SUPPORT_VIEW = "Yellow"


@dataclass(frozen=True, eq=False)
class FormerViews:
    """What the views showed before a comparison."""

    layout: int
    slice_to_ras: Any
    background: str | None
    foreground: str | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """A case and a support study side by side.

    Attributes:
        case: the case, in the Red view.
        support: the support study's volume node, in the Yellow view.
        match: how the analysis laid one over the other; None where the server cannot tell, then
            the same relative place along the body is shown.
        place_of: from a place of the case to that of the support, both world RAS mm.
        former: what the views showed before.
        captions: what each view says it shows.
        cursors: the mouse of either view in the other.
    """

    case: CaseNode
    support: Any
    match: SupportMatch | None
    place_of: Callable[[Position], Position]
    former: FormerViews
    captions: tuple[Caption, ...]
    cursors: tuple[LinkedCursor, ...]


def begin(
    case: CaseNode,
    support: Any,
    match: SupportMatch | None,
    titles: tuple[str, str] | None = None,
) -> Comparison:
    """Show a support study beside an analysed case, to the same scale, with like grey levels.

    Args:
        case: the case.
        support: the support study's volume node.
        match: how the analysis laid one over the other; None where it is not known.
        titles: captions of the case's and the support's view; None for their names.
    """
    manager = slicer.app.layoutManager()
    query_node, support_node = slice_node(QUERY_VIEW), slice_node(_SUPPORT_VIEW)
    logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(_SUPPORT_VIEW)
    composite = logic.GetSliceCompositeNode()
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(support_node.GetSliceToRAS())
    former = FormerViews(
        int(manager.layout),
        matrix,
        composite.GetBackgroundVolumeID(),
        composite.GetForegroundVolumeID(),
    )
    place_of = _relative(case, support) if match is None else _matched(case, support, match)
    _keep_out_of_support_view(case)
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)
    texts = titles or (case.volume.GetName(), support.GetName())
    views = (QUERY_VIEW, _SUPPORT_VIEW)
    captions = tuple(Caption(*pair) for pair in zip(views, texts))
    cursors = [LinkedCursor(QUERY_VIEW, _SUPPORT_VIEW, place_of)]
    if match is not None:
        back = _matched_back(case, support, match)
        cursors.append(LinkedCursor(_SUPPORT_VIEW, QUERY_VIEW, back))
    comparison = Comparison(case, support, match, place_of, former, captions, tuple(cursors))
    equalize(case.volume, support)
    composite.SetBackgroundVolumeID(support.GetID())
    composite.SetForegroundVolumeID(None)
    logic.FitSliceToBackground()
    _zoom_alike(query_node, support_node)
    follow(comparison)
    return comparison


def follow(comparison: Comparison) -> bool:
    """Show the support study where the case's view is now, cut as the case's view is cut.

    Returns:
        Whether that place lies inside the support study.
    """
    centre = position_in_view(QUERY_VIEW)
    place = comparison.place_of(centre)
    axes = _axes(slice_node(QUERY_VIEW).GetSliceToRAS())
    if comparison.match is not None:
        axes = _axes_at(comparison.place_of, centre, axes)
    node = slice_node(_SUPPORT_VIEW)
    matrix = node.GetSliceToRAS()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, float(axes[row, column]))
        matrix.SetElement(row, 3, place[row])
    node.UpdateMatrices()
    return _is_inside(comparison.support, place)


def point(comparison: Comparison) -> None:
    """Mark in each view where the mouse is in the other."""
    for cursor in comparison.cursors:
        cursor.follow()


def cuts() -> tuple[float, ...]:
    """What both views show, to notice when one of them moves."""
    nodes = (slice_node(QUERY_VIEW), slice_node(_SUPPORT_VIEW))
    matrices = [node.GetSliceToRAS() for node in nodes]
    return tuple(
        m.GetElement(row, column) for m in matrices for row in range(3) for column in range(4)
    )


def end(comparison: Comparison) -> None:
    """Show what was shown before."""
    former, node = comparison.former, slice_node(_SUPPORT_VIEW)
    for caption in comparison.captions:
        caption.remove()
    for cursor in comparison.cursors:
        cursor.remove()
    for display in _displays_of(comparison.case):
        display.RemoveAllViewNodeIDs()
    manager = slicer.app.layoutManager()
    logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(_SUPPORT_VIEW)
    composite = logic.GetSliceCompositeNode()
    composite.SetBackgroundVolumeID(former.background)
    composite.SetForegroundVolumeID(former.foreground)
    manager.setLayout(former.layout)
    logic.FitSliceToBackground()
    node.GetSliceToRAS().DeepCopy(former.slice_to_ras)
    node.UpdateMatrices()


def _matched(case: CaseNode, support: Any, match: SupportMatch) -> Callable[[Position], Position]:
    def place_of(world_mm: Position) -> Position:
        return world_of(support, match.place_of(own_ras_of(case.volume, world_mm)))

    return place_of


def _matched_back(
    case: CaseNode, support: Any, match: SupportMatch
) -> Callable[[Position], Position]:
    to_case = np.linalg.inv(np.asarray(match.query_to_support))

    def place_of(world_mm: Position) -> Position:
        x, y, z, _ = to_case @ np.asarray([*own_ras_of(support, world_mm), 1.0])
        return world_of(case.volume, (float(x), float(y), float(z)))

    return place_of


def _relative(case: CaseNode, support: Any) -> Callable[[Position], Position]:
    """The same relative place along the body, and the same offset from the slice's middle."""
    analysis, volume = case.analysis, case.volume
    if analysis is None:
        raise ValueError("the case has not been analysed")
    axis = _axis_of(np.asarray(analysis.affine)[:3, analysis.slice_axis], volume)
    support_axis = _axis_of(_direction(volume, axis), support)
    query_range = foreground_range(_in_ijk(volume), axis)
    support_range = foreground_range(_in_ijk(support), support_axis)
    normal = _direction(volume, axis)
    if normal @ _direction(support, support_axis) < 0:
        support_range = support_range[::-1]
    affine = affine_of(support)
    middle = [(size - 1) / 2 for size in support.GetImageData().GetDimensions()]
    size_along = volume.GetImageData().GetDimensions()[axis]

    def place_of(world_mm: Position) -> Position:
        own = own_ras_of(volume, world_mm)
        here = (np.linalg.inv(affine_of(volume)) @ np.asarray([*own, 1.0]))[axis]
        index = int(np.clip(round(float(here)), 0, size_along - 1))
        voxel = list(middle)
        voxel[support_axis] = float(matched_slice(index, query_range, support_range))
        centre = analysis.slice_centre_ras(analysis.slice_of(own))
        off = np.subtract(world_mm, world_of(volume, centre))
        placed = (affine @ np.asarray([*voxel, 1.0]))[:3] + off - (off @ normal) * normal
        return world_of(support, (float(placed[0]), float(placed[1]), float(placed[2])))

    return place_of


def _axes(matrix: Any) -> Any:
    return np.asarray([[matrix.GetElement(r, c) for c in range(3)] for r in range(3)])


def _axes_at(place_of: Callable[[Position], Position], centre: Position, axes: Any) -> Any:
    """The axes of the case's view, right, up and through, as they lie in the support study."""

    def moved(axis: int) -> Any:
        end = np.add(centre, axes[:, axis])
        return np.subtract(place_of((end[0], end[1], end[2])), place_of(centre))

    right = moved(0) / np.linalg.norm(moved(0))
    through = np.cross(right, moved(1))
    # Slicer's views may be mirrored: right, up and through need not be right-handed.
    through *= np.sign(through @ moved(2)) / np.linalg.norm(through)
    up = np.cross(through, right)
    return np.stack([right, up * np.sign(up @ moved(1)), through], axis=1)


def _is_inside(volume: Any, world_mm: Position) -> bool:
    own = own_ras_of(volume, world_mm)
    voxel = (np.linalg.inv(affine_of(volume)) @ np.asarray([*own, 1.0]))[:3]
    size = np.asarray(volume.GetImageData().GetDimensions())
    return bool(((voxel >= -0.5) & (voxel <= size - 0.5)).all())


def _keep_out_of_support_view(case: CaseNode) -> None:
    """Show what belongs to the case in every view but that of the support study."""
    for display in _displays_of(case):
        for node_class in ("vtkMRMLSliceNode", "vtkMRMLViewNode"):
            for view in slicer.util.getNodesByClass(node_class):
                if view.GetLayoutName() != _SUPPORT_VIEW:
                    display.AddViewNodeID(view.GetID())


def _zoom_alike(query_node: Any, support_node: Any) -> None:
    """Show a mm as long in one view as in the other."""
    field, size = query_node.GetFieldOfView(), query_node.GetDimensions()
    wide, high, _ = support_node.GetDimensions()
    mm_per_pixel = field[0] / max(size[0], 1)
    depth = support_node.GetFieldOfView()[2]
    support_node.SetFieldOfView(wide * mm_per_pixel, high * mm_per_pixel, depth)


def _displays_of(case: CaseNode) -> list[Any]:
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(case.heatmap)
    displays = [case.segmentation.GetDisplayNode() if case.segmentation is not None else None]
    displays.append(case.numbers.GetDisplayNode() if case.numbers is not None else None)
    return [display for display in (*displays, legend) if display is not None]


def _in_ijk(volume: Any) -> Any:
    return slicer.util.arrayFromVolume(volume).transpose(2, 1, 0)


def _direction(volume: Any, axis: int) -> Any:
    column = affine_of(volume)[:3, axis]
    return column / np.linalg.norm(column)


def _axis_of(direction: Any, volume: Any) -> int:
    """The axis of a volume's array that runs most along a direction of the body."""
    return int(np.argmax([abs(direction @ _direction(volume, axis)) for axis in range(3)]))
