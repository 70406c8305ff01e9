"""Windows that are drawn without a screen."""

from __future__ import annotations

import importlib.util
from typing import Any

import vtk


def offscreen_window() -> Any:
    """A window of VTK with one renderer, black, never on a screen."""
    if importlib.util.find_spec("triton") is not None:
        # Mesa and torch's triton each bring an LLVM. Triton's has to come first: loaded after
        # Mesa's, by a test of another folder in the same process, it crashes.
        import triton  # noqa: F401
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    renderer = vtk.vtkRenderer()
    renderer.SetBackground(0, 0, 0)
    window.AddRenderer(renderer)
    return window
