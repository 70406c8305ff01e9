"""Slice views drawn offscreen: the picture a radiologist sees, as an array of pixels."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from harness.graphics import offscreen_window
from tests.pictures import replace_picture

_MANAGERS = (
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
)
_MANAGERS_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
)


class SliceView:
    """One slice view of the scene: background, foreground, segments, legend.

    Args:
        name: `"Red"`, `"Yellow"` or `"Green"`.
        size: width and height in pixels.
    """

    def __init__(self, name: str = "Red", size: tuple[int, int] = (400, 300)) -> None:
        self.logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(name)
        self.node = self.logic.GetSliceNode()
        # The window that the code under test finds in the layout.
        self._window = slicer.app.layoutManager().sliceWidget(name).sliceView().renderWindow()
        self._window.SetSize(*size)
        renderer = self._window.GetRenderers().GetFirstRenderer()
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(self._mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        # Before the displayable managers, or the image hides what they fill.
        renderer.AddViewProp(actor)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._window.SetInteractor(self._interactor)
        self.resize(size)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for manager in _MANAGERS:
            if not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self._group = factory.InstantiateDisplayableManagers(renderer)
        self._group.SetMRMLDisplayableNode(self.node)

    def resize(self, size: tuple[int, int]) -> None:
        """Set the view's size in pixels; keeps the centre."""
        self._window.SetSize(*size)
        old = self.node.GetDimensions()
        field = self.node.GetFieldOfView()
        self.node.SetDimensions(size[0], size[1], 1)
        self.node.SetFieldOfView(
            field[0] * size[0] / max(old[0], 1), field[1] * size[1] / max(old[1], 1), field[2]
        )

    def fit(self, margin: float = 1.0) -> None:
        """Show the whole background volume.

        Args:
            margin: how many times as much is shown, for room around it.
        """
        self.logic.FitSliceToBackground()
        wide, high, deep = self.node.GetFieldOfView()
        self.node.SetFieldOfView(margin * wide, margin * high, deep)

    def pixels(self) -> NDArray[np.uint8]:
        """Draw and return the picture, shape (height, width, 3), first row at the top."""
        self.logic.GetBlend().Update()
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self._window.Render()
        return _grab(self._window)

    def project(self, ras: Any) -> tuple[int, int]:
        """The pixel (row from the top, column) at which a position in RAS mm is drawn."""
        to_xy = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), to_xy)
        x, y, _, _ = to_xy.MultiplyPoint((*[float(value) for value in ras], 1.0))
        return self._window.GetSize()[1] - 1 - round(y), round(x)


class ThreeDView:
    """The 3D view of the scene, for volume rendering.

    Args:
        size: width and height in pixels.
    """

    def __init__(self, size: tuple[int, int] = (200, 200)) -> None:
        # The layout made it; a view node of our own would not be in the scene.
        node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLViewNode")
        self._window = offscreen_window()
        self._window.SetSize(*size)
        self._renderer = self._window.GetRenderers().GetFirstRenderer()
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._window.SetInteractor(self._interactor)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for manager in _MANAGERS_3D:
            if not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self._group = factory.InstantiateDisplayableManagers(self._renderer)
        self._group.SetMRMLDisplayableNode(node)

    def pixels(self, bounds: tuple[float, ...]) -> NDArray[np.uint8]:
        """Draw what lies within bounds (x, y, z pairs in mm), shape (height, width, 3)."""
        self._renderer.ResetCamera(bounds)
        self._window.Render()
        return _grab(self._window)


def _grab(window: Any) -> NDArray[np.uint8]:
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    flat = vtk_to_numpy(image.GetPointData().GetScalars())
    return np.ascontiguousarray(flat.reshape(height, width, -1)[::-1, :, :3])


def save_png(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write a picture."""
    from PIL import Image

    content = BytesIO()
    Image.fromarray(pixels).save(content, format="PNG", optimize=True)
    replace_picture(path, content.getvalue())


def count(pixels: NDArray[np.uint8], condition: Any) -> int:
    """How many pixels fulfil a condition on their red, green and blue (as float arrays)."""
    red, green, blue = (pixels[..., channel].astype(float) for channel in range(3))
    return int(np.count_nonzero(condition(red, green, blue)))


def saturation(pixels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Distance from grey of each pixel: 0 where red, green and blue are equal."""
    wide = pixels.astype(np.int16)
    return np.asarray(wide.max(axis=-1) - wide.min(axis=-1), dtype=np.int16)
