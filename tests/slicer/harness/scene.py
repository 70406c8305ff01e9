"""A real MRML scene with slice views, without Qt: `slicer.mrmlScene`, `slicer.app`, modules."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import slicer
import vtk

from harness.graphics import offscreen_window

SLICE_VIEWS = {
    "Red": ("Axial", (0.95, 0.29, 0.29)),
    "Yellow": ("Sagittal", (0.93, 0.84, 0.30)),
    "Green": ("Coronal", (0.43, 0.69, 0.29)),
}
_MODULE_LOGICS: dict[str, Callable[[], Any]] = {
    "Colors": slicer.vtkSlicerColorLogic,
    "Volumes": slicer.vtkSlicerVolumesLogic,
    "Markups": slicer.vtkSlicerMarkupsLogic,
    "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
    "VolumeRendering": slicer.vtkSlicerVolumeRenderingLogic,
    "Tables": slicer.vtkSlicerTablesLogic,
    "Plots": slicer.vtkSlicerPlotsLogic,
    "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
}


class Module:
    """What `slicer.modules.<name>` is asked for."""

    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def logic(self) -> Any:
        return self._logic


class Modules:
    """`slicer.modules`: an unknown module is an AttributeError, as in Slicer."""


class SliceView:
    """The part of qMRMLSliceView that is VTK: a window with one renderer, never on a screen."""

    def __init__(self) -> None:
        self._window: Any = None
        self.renders_scheduled = 0

    def renderWindow(self) -> Any:  # noqa: N802
        if self._window is None:
            self._window = offscreen_window()
        return self._window

    def scheduleRender(self) -> None:  # noqa: N802
        self.renders_scheduled += 1


class SliceWidget:
    """The part of qMRMLSliceWidget that is MRML."""

    def __init__(self, logic: Any, view: SliceView) -> None:
        self._logic = logic
        self._view = view

    def sliceView(self) -> SliceView:  # noqa: N802
        return self._view

    def sliceLogic(self) -> Any:  # noqa: N802
        return self._logic

    def mrmlSliceNode(self) -> Any:  # noqa: N802
        return self._logic.GetSliceNode()


class LayoutManager:
    """The part of qSlicerLayoutManager that is MRML."""

    def __init__(self, scene: Any, application_logic: Any) -> None:
        self._application_logic = application_logic
        self._views = {name: SliceView() for name in SLICE_VIEWS}
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLScene(scene)
        self._layout_logic.GetLayoutNode().SetViewArrangement(
            slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
        )

    @property
    def layout(self) -> int:
        return int(self._layout_logic.GetLayoutNode().GetViewArrangement())

    def layoutLogic(self) -> Any:  # noqa: N802
        return self._layout_logic

    def setLayout(self, layout: int) -> None:  # noqa: N802
        self._layout_logic.GetLayoutNode().SetViewArrangement(layout)

    def sliceViewNames(self) -> tuple[str, ...]:  # noqa: N802
        return tuple(SLICE_VIEWS)

    def mrmlSliceLogics(self) -> Any:  # noqa: N802
        return self._application_logic.GetSliceLogics()

    def sliceWidget(self, name: str) -> SliceWidget:  # noqa: N802
        logic = self._application_logic.GetSliceLogicByLayoutName(name)
        return SliceWidget(logic, self._views[name])


class CoreIOManager:
    """Loads and saves single nodes by their storage node, the scene as .mrb or .mrml."""

    _CLASSES: ClassVar[dict[str, str]] = {
        "VolumeFile": "vtkMRMLScalarVolumeNode",
        "SegmentationFile": "vtkMRMLSegmentationNode",
    }

    def __init__(self, scene: Any) -> None:
        self._scene = scene

    def fileType(self, path: str) -> str:  # noqa: N802
        return "SegmentationFile" if str(path).endswith(".seg.nrrd") else "VolumeFile"

    def fileWriterFileType(self, node: Any) -> str:  # noqa: N802
        return str(node.GetClassName())

    def loadNodes(  # noqa: N802
        self, file_type: str, properties: dict[str, Any], loaded: Any, messages: Any
    ) -> bool:
        path = properties["fileName"]
        if file_type == "SceneFile":
            if path.endswith(".mrb"):
                return self._load_bundle(path)
            self._scene.SetURL(path)
            return bool(self._scene.Connect())
        node = self._scene.AddNewNodeByClass(
            self._CLASSES[file_type], Path(path).name.split(".")[0]
        )
        storage = node.CreateDefaultStorageNode()
        storage.SetFileName(path)
        if not storage.ReadData(node):
            self._scene.RemoveNode(node)
            return False
        node.CreateDefaultDisplayNodes()
        loaded.AddItem(node)
        return True

    def _load_bundle(self, path: str) -> bool:
        # As vtkMRMLScene::ReadFromMRB, which wants the application's cache of remote files.
        folder = Path(tempfile.mkdtemp(prefix="slicer-bundle-"))
        with zipfile.ZipFile(path) as bundle:
            bundle.extractall(folder)
        self._scene.SetURL(str(next(folder.rglob("*.mrml"))))
        return bool(self._scene.Connect())

    def saveNodes(self, file_type: str, properties: dict[str, Any], messages: Any) -> bool:  # noqa: N802
        path = properties["fileName"]
        if file_type == "SceneFile":
            if path.endswith(".mrb"):
                return bool(self._scene.WriteToMRB(path))
            return bool(self._scene.Commit(path))
        node = self._scene.GetNodeByID(properties["nodeID"])
        storage = node.CreateDefaultStorageNode()
        storage.SetFileName(path)
        return bool(storage.WriteData(node))


class StartupEnvironment:
    """QProcessEnvironment of `slicer.app`: the variables that Slicer was started with."""

    def keys(self) -> list[str]:
        return list(os.environ)

    def value(self, name: str) -> str:
        return os.environ[name]


class Application:
    """`slicer.app` of the tests; an attribute it lacks is an AttributeError."""

    applicationName = "Slicer"  # noqa: N815
    applicationVersion = "5.13.0"  # noqa: N815

    def __init__(self, scene: Any, application_logic: Any) -> None:
        self.temporaryPath = tempfile.mkdtemp(prefix="slicer-")
        self._application_logic = application_logic
        self._layout_manager = LayoutManager(scene, application_logic)
        self._io_manager = CoreIOManager(scene)

        self._at_startup: list[Callable[[], None]] = []

    def connect(self, signal: str, slot: Callable[[], None]) -> None:
        if signal != "startupCompleted()":
            raise ValueError(f"The application of the tests has no signal '{signal}'.")
        self._at_startup.append(slot)

    def complete_startup(self) -> None:
        """Tell everybody who waits that Slicer has started."""
        for slot in self._at_startup:
            slot()

    def applicationLogic(self) -> Any:  # noqa: N802
        return self._application_logic

    def layoutManager(self) -> LayoutManager:  # noqa: N802
        return self._layout_manager

    def coreIOManager(self) -> CoreIOManager:  # noqa: N802
        return self._io_manager

    def startupEnvironment(self) -> StartupEnvironment:  # noqa: N802
        return StartupEnvironment()

    def testingEnabled(self) -> bool:  # noqa: N802
        return True

    def processEvents(self) -> None:  # noqa: N802
        """Without Qt there are none."""

    def pauseRender(self) -> None:  # noqa: N802
        """Nothing renders by itself."""

    def resumeRender(self) -> None:  # noqa: N802
        """Nothing renders by itself."""


def open_scene() -> Any:
    """Make a fresh scene with three slice views and set it up as `slicer.mrmlScene`."""
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    slice_logics, view_logics = vtk.vtkCollection(), vtk.vtkCollection()
    logic.SetSliceLogics(slice_logics)
    logic.SetViewLogics(view_logics)
    logic.SetMRMLScene(scene)
    home = Path(tempfile.mkdtemp(prefix="slicer-home-"))
    (home / "share" / "ColorFiles").mkdir(parents=True)
    logic.SetHomeDirectory(str(home))
    logic.SetShareDirectory("share")
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    modules = Modules()
    for name, make in _MODULE_LOGICS.items():
        module_logic = make()
        module_logic.SetMRMLApplicationLogic(logic)
        module_logic.SetMRMLScene(scene)
        logic.SetModuleLogic(name, module_logic)
        setattr(modules, name.lower(), Module(module_logic))
    colors = vars(modules)["colors"].logic()
    logic.SetColorLogic(colors)
    colors.AddDefaultColorNodes()
    for singleton in (slicer.vtkMRMLInteractionNode(), slicer.vtkMRMLSelectionNode()):
        singleton.SetSingletonTag("Singleton")
        scene.AddNode(singleton)
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetSingletonTag("default")
    scene.AddNode(crosshair)
    slicer.mrmlScene = scene
    slicer.modules = modules
    for name, (orientation, color) in SLICE_VIEWS.items():
        slice_logic = slicer.vtkMRMLSliceLogic()
        slice_logic.SetMRMLApplicationLogic(logic)
        slice_logic.SetMRMLScene(scene)
        node = slice_logic.AddSliceNode(name)
        node.SetOrientation(orientation)
        node.SetLayoutColor(*color)
        node.SetMappedInLayout(1)
        slice_logics.AddItem(slice_logic)
    # After the slice nodes: the layout would make its own, of which the logics know nothing.
    slicer.app = Application(scene, logic)
    return scene
