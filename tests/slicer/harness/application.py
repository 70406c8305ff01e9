"""Slicer's application with Qt: `qt`, `ctk`, the main window, scripted modules."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import slicer
from PySide6 import QtCore, QtWidgets

from harness import pythonqt
from harness.loader import UiLoader
from harness.pythonqt import raw

_state: dict[str, Any] = {}


class ScriptedLoadableModule:
    """What Slicer's base class of module files holds."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__


class ScriptedLoadableModuleWidget:
    """Slicer's base class of module widgets, without its developer section."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent if parent is not None else QtWidgets.QWidget()
        if raw(self.parent, "layout")() is None:
            raw(self.parent, "setLayout")(QtWidgets.QVBoxLayout())
        self.layout = raw(self.parent, "layout")()

    def resourcePath(self, filename: str) -> str:  # noqa: N802
        folder = Path(sys.modules[type(self).__module__].__file__ or "").parent
        return str(folder / "Resources" / filename)

    def setup(self) -> None:
        """Nothing of its own here."""

    def cleanup(self) -> None:
        """Nothing of its own here."""


class ModuleWidget(QtWidgets.QWidget):
    """qSlicerScriptedLoadableModuleWidget: what a module's widget is built into, and rebuilt."""

    def __init__(self, module: str) -> None:
        super().__init__()
        self._module = module
        raw(self, "setLayout")(QtWidgets.QVBoxLayout())

    def reload(self) -> None:
        """Build the widget anew from the module's class of now."""
        widget_class = getattr(sys.modules[self._module], f"{self._module}Widget")
        widget = widget_class(self)
        setattr(slicer.modules, f"{self._module}Widget", widget)
        widget.setup()


class LoadedModule:
    """A scripted module as `slicer.modules.<name>` has it."""

    def __init__(self, name: str, path: str) -> None:
        self.path = path
        self.name = name
        self._representation = ModuleWidget(name)

    def widgetRepresentation(self) -> ModuleWidget:  # noqa: N802
        return self._representation


def load_module(name: str, path: str) -> ModuleWidget:
    """Put a module where Slicer's own `slicer.util.reloadScriptedModule` finds it.

    Returns:
        The widget that the module's panel is in.
    """
    module = LoadedModule(name, path)
    setattr(slicer.modules, name.lower(), module)
    module.widgetRepresentation().reload()
    return module.widgetRepresentation()


class ScriptedLoadableModuleLogic:
    """Slicer's base class of module logics."""

    def __init__(self, parent: Any = None) -> None:
        self.parent = parent


class ScriptedLoadableModuleTest:
    """Slicer's base class of in-Slicer self-tests."""

    def delayDisplay(self, message: str, requestedDelay: int = 0, msec: int = 0) -> None:  # noqa: N802, N803
        """Shows nothing."""


def _keep_singletons_alive() -> None:
    """Make up for references that PySide6 6.12 takes.

    Before Python 3.12, where None, True and False became immortal, it gives one away with each
    call that returns nothing, until the interpreter aborts.
    """
    if sys.version_info < (3, 12):
        for singleton in (None, True, False):
            ctypes.c_ssize_t.from_address(id(singleton)).value += 1 << 40


def start() -> types.ModuleType:
    """Start Qt once, and serve `qt`, `ctk` and `slicer.ScriptedLoadableModule`."""
    if "qt" in _state:
        started: types.ModuleType = _state["qt"]
        return started
    _keep_singletons_alive()
    _state["application"] = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    # Settings of this process alone: another one, or an earlier run, may know a server.
    _state["settings"] = tempfile.TemporaryDirectory(prefix="d24fad-settings-")
    for form in (QtCore.QSettings.Format.NativeFormat, QtCore.QSettings.Format.IniFormat):
        QtCore.QSettings.setPath(form, QtCore.QSettings.Scope.UserScope, _state["settings"].name)
    QtCore.QCoreApplication.setOrganizationName("d24fad-tests")
    QtCore.QCoreApplication.setApplicationName("Slicer")
    _state["application"].setStyle("Fusion")
    qt = pythonqt.install()
    qt.QUiLoader = UiLoader  # type: ignore[attr-defined]
    sys.modules["qt"] = qt
    ctk = types.ModuleType("ctk")
    from harness.widgets import STAND_INS

    for name, cls in STAND_INS.items():
        if name.startswith("ctk"):
            setattr(ctk, name, cls)
        else:
            setattr(slicer, name, cls)
    sys.modules["ctk"] = ctk
    scripted = types.ModuleType("slicer.ScriptedLoadableModule")
    for base in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(scripted, base.__name__, base)
    sys.modules["slicer.ScriptedLoadableModule"] = scripted
    language = types.ModuleType("slicer.i18n")
    language.translate = lambda context, text: text  # type: ignore[attr-defined]
    language.tr = lambda text: text  # type: ignore[attr-defined]
    sys.modules["slicer.i18n"] = language
    _state["qt"] = qt
    return qt


def open_main_window() -> QtWidgets.QMainWindow:
    """The window that `slicer.util.mainWindow()` finds."""
    window = QtWidgets.QMainWindow()
    window.setObjectName("qSlicerMainWindow")
    window.resize(420, 900)
    slicer.util.mainWindow = lambda: window
    return window


def settle(milliseconds: int = 0) -> None:
    """Let Qt deliver what is waiting."""
    application = _state["application"]
    timer = QtCore.QElapsedTimer()
    timer.start()
    application.processEvents()
    while timer.elapsed() < milliseconds:
        time.sleep(0.001)  # leave the processor to the server's threads in this process
        application.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 10)
    # Whoever is held up above finds the time over, with timers that are due and were not served.
    application.processEvents()
