"""What went wrong behind Qt's and VTK's back during a test: collected here, then raised."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType

import vtk


class Faults:
    """Collects exceptions of slots, Qt warnings and VTK error lines while it is entered."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._vtk_window = vtk.vtkStringOutputWindow()
        self._forgotten = 0

    def record_exception(self, error: BaseException) -> None:
        """Keep an exception that Qt or VTK would otherwise only print."""
        self.lines.append("".join(traceback.format_exception(error)))

    def record(self, line: str) -> None:
        """Keep one line."""
        self.lines.append(line)

    def __enter__(self) -> Faults:
        self._former_window = vtk.vtkOutputWindow.GetInstance()
        self._former_hook = sys.excepthook
        vtk.vtkOutputWindow.SetInstance(self._vtk_window)
        sys.excepthook = self._on_unraised
        return self

    def __exit__(self, *_: object) -> None:
        vtk.vtkOutputWindow.SetInstance(self._former_window)
        sys.excepthook = self._former_hook

    def _on_unraised(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        self.record_exception(error)

    def vtk_errors(self) -> list[str]:
        """The VTK messages of level error so far."""
        blocks = self._vtk_window.GetOutput()[self._forgotten :].split("\n\n")
        return [block for block in blocks if block.lstrip().startswith("ERROR")]

    def forget(self) -> None:
        """Forget what was collected: for tests that cause a fault on purpose."""
        self.lines.clear()
        self._forgotten = len(self._vtk_window.GetOutput())

    def check(self) -> None:
        """Raise what was collected.

        Raises:
            AssertionError: a slot raised, Qt warned of a connection, or VTK reported an error.
        """
        found = self.lines + self.vtk_errors()
        if found:
            raise AssertionError("faults behind the test's back:\n" + "\n".join(found))
