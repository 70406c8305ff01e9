"""The heatmap in the scene: a volume with its own colours, threshold, legend and rendering."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from ..logic.colors import color_points, scale_maximum
from ..logic.findings import Analysis
from ..logic.grids import reordering
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.volume_file import VolumeData
from .hierarchy import place_beside
from .views import HEATMAP, is_heatmap

_COLORS = "D24FAD heatmap colours"
_ABOVE_EVERY_SCORE = 1e6


def affine_of(volume: Any) -> NDArray[np.float64]:
    """The 4x4 matrix from voxel index to RAS mm of a volume node, without its transform."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return np.asarray(slicer.util.arrayFromVTKMatrix(matrix), dtype=np.float64)


def snapshot(volume: Any) -> VolumeData:
    """A copy of a volume node's voxels and place that a worker may keep.

    Raises:
        ExplainedError: the node holds no volume of numbers.
    """
    if is_heatmap(volume):
        raise ExplainedError(
            _("'{name}' is a heatmap, not a study.").format(name=volume.GetName()),
            _("Choose the study itself."),
            "heatmap",
        )
    image = volume.GetImageData()
    if image is None or image.GetNumberOfScalarComponents() != 1 or min(image.GetDimensions()) < 2:
        raise ExplainedError(
            _("'{name}' is no grey-scale volume of three dimensions.").format(
                name=volume.GetName()
            ),
            _("Choose a CT or MR series."),
            "unsuitable_image",
        )
    return VolumeData(slicer.util.arrayFromVolume(volume).copy(), affine_of(volume))


def show_heatmap(volume: Any, data: VolumeData, analysis: Analysis, former: Any = None) -> Any:
    """Put a heatmap into the scene, exactly on the grid of its volume.

    Args:
        volume: the volume node that was analysed.
        data: the heatmap as it came from the server, z units.
        analysis: the result that it belongs to.
        former: the heatmap node of an earlier analysis, to be used again.

    Returns:
        The heatmap's volume node.

    Raises:
        ExplainedError: the heatmap lies on another grid than the volume.
    """
    check_grid(volume, data, analysis)
    node = former
    if node is None:
        name = slicer.mrmlScene.GenerateUniqueName(f"{volume.GetName()} heatmap")
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        # Before the voxels: the display node would take seconds to find a window of its own.
        node.CreateDefaultDisplayNodes()
        _color(node, analysis.threshold)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(data.array, dtype=np.float32))
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    node.SetAttribute(HEATMAP, analysis.result)
    place_beside(node, volume)
    _color(node, analysis.threshold)
    set_threshold(node, analysis.threshold)
    return node


def check_grid(volume: Any, data: VolumeData, analysis: Analysis) -> None:
    """Refuse a result that does not lie on the volume's grid.

    Raises:
        ExplainedError: it would appear at the wrong place.
    """
    affine, dimensions = affine_of(volume), volume.GetImageData().GetDimensions()
    grids = ((affine, dimensions), (data.affine, data.array.shape[::-1]))
    of_analysis = np.asarray(analysis.affine), analysis.shape
    if any(reordering(*of_analysis, *grid) is None for grid in grids):
        raise ExplainedError(
            _("The result does not lie on the grid of '{name}'.").format(name=volume.GetName()),
            _("Analyse this volume again; it may have been cropped or resampled since."),
            "other_grid",
        )


def _color(node: Any, threshold: float) -> None:
    name = f"{_COLORS} 0-{scale_maximum(threshold):g}"
    colors = slicer.mrmlScene.GetFirstNodeByName(name)
    if colors is None:
        colors = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLProceduralColorNode", name)
        colors.SetHideFromEditors(True)
        function = colors.GetColorTransferFunction()
        function.RemoveAllPoints()
        for score, red, green, blue in color_points(threshold):
            function.AddRGBPoint(score, red, green, blue)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(colors.GetID())
    display.SetInterpolate(True)
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, scale_maximum(threshold))


def set_threshold(node: Any, threshold: float) -> None:
    """Hide scores below a threshold, z units; the colours of the others do not change."""
    display = node.GetDisplayNode()
    display.AutoThresholdOff()
    display.SetThreshold(max(threshold, 1e-6), _ABOVE_EVERY_SCORE)
    display.SetApplyThreshold(True)
    rendering = slicer.modules.volumerendering.logic().GetFirstVolumeRenderingDisplayNode(node)
    if rendering is not None:
        _set_rendering_colors(rendering, threshold)


def show_legend(node: Any) -> None:
    """Show what the colours mean in the views that show the heatmap.

    A view looks for the legend's volume only when the legend changes, so show the volume first.
    """
    logic = slicer.modules.colors.logic()
    legend = logic.GetColorLegendDisplayNode(node)
    if legend is None:
        legend = logic.AddDefaultColorLegendDisplayNode(node)
    legend.SetTitleText(_("Score"))
    legend.SetLabelFormat("%.0f")
    legend.SetMaxNumberOfColors(256)
    legend.SetNumberOfLabels(3)
    legend.SetSize(0.1, 0.4)
    legend.SetPosition(0.97, 0.5)
    for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        text.SetFontSize(11)
        text.SetBold(False)
        text.SetItalic(False)
    legend.SetVisibility(False)
    legend.SetVisibility(True)


def set_rendering_visible(node: Any, visible: bool, threshold: float) -> None:
    """Show or hide the heatmap in the 3D view."""
    logic = slicer.modules.volumerendering.logic()
    display = logic.GetFirstVolumeRenderingDisplayNode(node)
    if display is None:
        if not visible:
            return
        display = logic.CreateDefaultVolumeRenderingNodes(node)
    _set_rendering_colors(display, threshold)
    display.SetVisibility(visible)


def _set_rendering_colors(display: Any, threshold: float) -> None:
    volume_property = display.GetVolumePropertyNode()
    colors = vtk.vtkColorTransferFunction()
    for score, red, green, blue in color_points(threshold):
        colors.AddRGBPoint(score, red, green, blue)
    opacity = vtk.vtkPiecewiseFunction()
    highest = scale_maximum(threshold)
    for score, value in ((0.0, 0.0), (threshold, 0.0), (threshold + 0.01, 0.3), (highest, 0.7)):
        opacity.AddPoint(score, value)
    volume_property.SetColor(colors)
    volume_property.SetScalarOpacity(opacity)
