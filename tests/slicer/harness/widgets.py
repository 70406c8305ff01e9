"""Stand-ins for the ctk and qMRML widgets that the panel's .ui file names.

Each has the properties, signals and slots of the original that the panel may use; anything else
about it is an AttributeError, by the rules in `pythonqt`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import shiboken6
import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from harness.pythonqt import raw

_HEADER = 26
_STRING_LIST: Any = "QStringList"  # names of C++ types are missing in PySide6's own types


class CollapsibleButton(QtWidgets.QWidget):
    """ctkCollapsibleButton: a titled section; collapsed, its children cannot be seen."""

    STAND_IN = True
    CLASS_NAME = "ctkCollapsibleButton"
    contentsCollapsed = QtCore.Signal(bool)  # noqa: N815
    clicked = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = ""
        self._collapsed = False
        self._hidden_by_collapse: list[QtWidgets.QWidget] = []

    def _get_text(self) -> str:
        return self._text

    def _set_text(self, text: str) -> None:
        self._text = text
        self.update()

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self._apply()
        raw(self, "contentsCollapsed").emit(collapsed)

    text = QtCore.Property(str, _get_text, _set_text)
    collapsed = QtCore.Property(bool, _get_collapsed, _set_collapsed)

    def _apply(self) -> None:
        if self._collapsed:
            self._hidden_by_collapse = [
                child
                for child in self.children()
                if isinstance(child, QtWidgets.QWidget) and not QtWidgets.QWidget.isHidden(child)
            ]
            for child in self._hidden_by_collapse:
                child.setVisible(False)
        else:
            for child in self._hidden_by_collapse:
                child.setVisible(True)
            self._hidden_by_collapse = []
        self.updateGeometry()

    def showEvent(self, event: QtGui.QShowEvent) -> None:  # noqa: N802
        layout = self.layout()
        if layout is not None:
            margins = raw(layout, "contentsMargins")()
            layout.setContentsMargins(margins.left(), _HEADER + 4, margins.right(), 4)
        super().showEvent(event)
        if self._collapsed and not self._hidden_by_collapse:
            self._apply()

    def sizeHint(self) -> QtCore.QSize:  # noqa: N802
        return QtCore.QSize(200, _HEADER) if self._collapsed else super().sizeHint()

    def minimumSizeHint(self) -> QtCore.QSize:  # noqa: N802
        return self.sizeHint() if self._collapsed else super().minimumSizeHint()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802
        painter = QtGui.QPainter(self)
        header = QtCore.QRect(0, 0, QtWidgets.QWidget.width(self), _HEADER)
        palette = raw(self, "palette")()
        painter.fillRect(header, palette.color(QtGui.QPalette.ColorRole.Button).darker(108))
        painter.setPen(palette.color(QtGui.QPalette.ColorRole.ButtonText))
        mark = "▸" if self._collapsed else "▾"
        painter.drawText(
            header.adjusted(8, 0, 0, 0),
            QtCore.Qt.AlignmentFlag.AlignVCenter,
            f"{mark}  {self._text}",
        )
        painter.end()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        if event.position().y() <= _HEADER:
            self._set_collapsed(not self._collapsed)


class SliderWidget(QtWidgets.QWidget):
    """ctkSliderWidget: a slider and a spin box with one floating-point value."""

    STAND_IN = True
    CLASS_NAME = "ctkSliderWidget"
    SIGNALS: ClassVar[dict[str, str]] = {}
    valueChanged = QtCore.Signal(float)  # noqa: N815
    _STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, self._STEPS)
        # `Any`: the types of PySide6 have methods where the rules have properties.
        self._spin: Any = QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._spin)
        raw(self._slider, "valueChanged").connect(self._on_slider)
        raw(self._spin, "valueChanged").connect(self._on_spin)

    def _span(self) -> float:
        return max(self._get_maximum() - self._get_minimum(), 1e-12)

    def _on_slider(self, step: int) -> None:
        self._set_value(self._spin.minimum + step / self._STEPS * self._span())

    def _on_spin(self, value: float) -> None:
        self._slider.blockSignals(True)
        self._slider.setValue(round((value - self._spin.minimum) / self._span() * self._STEPS))
        self._slider.blockSignals(False)
        raw(self, "valueChanged").emit(value)

    def _get_value(self) -> float:
        return float(self._spin.value)

    def _set_value(self, value: float) -> None:
        self._spin.setValue(value)

    def _get_minimum(self) -> float:
        return float(self._spin.minimum)

    def _set_minimum(self, value: float) -> None:
        self._spin.setMinimum(value)

    def _get_maximum(self) -> float:
        return float(self._spin.maximum)

    def _set_maximum(self, value: float) -> None:
        self._spin.setMaximum(value)

    def _get_step(self) -> float:
        return float(self._spin.singleStep)

    def _set_step(self, value: float) -> None:
        self._spin.setSingleStep(value)

    def _get_decimals(self) -> int:
        return int(self._spin.decimals)

    def _set_decimals(self, value: int) -> None:
        self._spin.setDecimals(value)

    value = QtCore.Property(float, _get_value, _set_value)
    minimum = QtCore.Property(float, _get_minimum, _set_minimum)
    maximum = QtCore.Property(float, _get_maximum, _set_maximum)
    singleStep = QtCore.Property(float, _get_step, _set_step)  # noqa: N815
    decimals = QtCore.Property(int, _get_decimals, _set_decimals)


SliderWidget.SIGNALS = {"valueChanged(double)": "valueChanged(double)"}


class PathLineEdit(QtWidgets.QWidget):
    """ctkPathLineEdit: a path that is typed or chosen in a dialogue."""

    STAND_IN = True
    Dirs = 0x1  # of ctkPathLineEdit::Filter
    CLASS_NAME = "ctkPathLineEdit"
    SIGNALS: ClassVar[dict[str, str]] = {}
    currentPathChanged = QtCore.Signal(str)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters = 0
        self._edit = QtWidgets.QLineEdit(self)
        self._browse = QtWidgets.QToolButton(self)
        raw(self._browse, "setText")("…")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit)
        layout.addWidget(self._browse)
        raw(self._edit, "textChanged").connect(self._on_text)

    def _on_text(self, text: str) -> None:
        raw(self, "currentPathChanged").emit(text)

    def _get_path(self) -> str:
        return str(self._edit.text)

    def _set_path(self, path: str) -> None:
        self._edit.setText(path)

    def _get_filters(self) -> int:
        return self._filters

    def _set_filters(self, filters: int) -> None:
        self._filters = filters

    currentPath = QtCore.Property(str, _get_path, _set_path)  # noqa: N815
    filters = QtCore.Property(int, _get_filters, _set_filters)


PathLineEdit.SIGNALS = {"currentPathChanged(QString)": "currentPathChanged(QString)"}


class SortFilterProxyModel(QtCore.QObject):
    """qMRMLSortFilterProxyModel: which nodes a selector leaves out."""

    STAND_IN = True
    CLASS_NAME = "qMRMLSortFilterProxyModel"

    def __init__(self, changed: Any) -> None:
        super().__init__()
        self._hidden: list[str] = []
        self._changed = changed

    def _get_hidden(self) -> list[str]:
        return self._hidden

    def _set_hidden(self, ids: list[str]) -> None:
        self._hidden = list(ids)
        self._changed()

    hiddenNodeIDs = QtCore.Property(_STRING_LIST, _get_hidden, _set_hidden)  # noqa: N815


class SceneWidget(QtWidgets.QWidget):
    """qMRMLWidget: hands the scene on to its children by the .ui file's connections."""

    STAND_IN = True
    CLASS_NAME = "qMRMLWidget"
    SIGNALS: ClassVar[dict[str, str]] = {
        "mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged(PyObject)"
    }
    SLOTS: ClassVar[dict[str, str]] = {"setMRMLScene(vtkMRMLScene*)": "setMRMLScene"}
    mrmlSceneChanged = QtCore.Signal(object)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:  # noqa: N802
        self._scene = scene
        raw(self, "mrmlSceneChanged").emit(scene)

    def mrmlScene(self) -> Any:  # noqa: N802
        return self._scene


class NodeComboBox(QtWidgets.QWidget):
    """qMRMLNodeComboBox: chooses a node of the scene by class; follows the scene."""

    STAND_IN = True
    CLASS_NAME = "qMRMLNodeComboBox"
    SIGNALS: ClassVar[dict[str, str]] = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged(PyObject)"
    }
    SLOTS: ClassVar[dict[str, str]] = {"setMRMLScene(vtkMRMLScene*)": "setMRMLScene"}
    currentNodeChanged = QtCore.Signal(object)  # noqa: N815
    currentNodeIDChanged = QtCore.Signal(str)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._combo = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._scene: Any = None
        self._node_id = ""
        self._flags = {
            "none": False,
            "add": True,
            "remove": True,
            "rename": False,
            "children": True,
        }
        self._types: list[str] = []
        self._filter = SortFilterProxyModel(self._refill)
        self._none_display = "None"
        self._observers: list[tuple[Any, int]] = []
        raw(self._combo, "activated").connect(self._on_activated)

    def setMRMLScene(self, scene: Any) -> None:  # noqa: N802
        for observed, tag in self._observers:
            observed.RemoveObserver(tag)
        self._observers = []
        self._scene = scene
        if scene is not None:
            events = (
                slicer.vtkMRMLScene.NodeAddedEvent,
                slicer.vtkMRMLScene.NodeRemovedEvent,
                slicer.vtkMRMLScene.EndCloseEvent,
                slicer.vtkMRMLScene.EndImportEvent,
            )
            for event in events:
                self._observers.append((scene, scene.AddObserver(event, self._on_scene)))
        self._refill()

    def mrmlScene(self) -> Any:  # noqa: N802
        return self._scene

    def sortFilterProxyModel(self) -> SortFilterProxyModel:  # noqa: N802
        return self._filter

    def nodeFromIndex(self, index: int) -> Any:  # noqa: N802
        return self._candidates()[index]

    def nodeCount(self) -> int:  # noqa: N802
        return len(self._candidates())

    def currentNode(self) -> Any:  # noqa: N802
        return self._scene.GetNodeByID(self._node_id) if self._scene and self._node_id else None

    def setCurrentNode(self, node: Any) -> None:  # noqa: N802
        self._choose(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:  # noqa: N802
        self._choose(node_id or "")

    def _candidates(self) -> list[Any]:
        if self._scene is None:
            return []
        found = []
        for class_name in self._types:
            for node in slicer.util.getNodesByClass(class_name, self._scene):
                exact = self._flags["children"] or node.GetClassName() == class_name
                hidden = node.GetHideFromEditors() or node.GetID() in self._filter._hidden
                if exact and not hidden and node not in found:
                    found.append(node)
        return found

    def _on_scene(self, *_: Any) -> None:
        if shiboken6.isValid(self):  # the scene can outlive the widget
            self._refill()

    def _refill(self) -> None:
        nodes = self._candidates()
        self._combo.clear()
        if self._flags["none"]:
            self._combo.addItem(self._none_display, "")
        for node in nodes:
            self._combo.addItem(node.GetName(), node.GetID())
        ids = [node.GetID() for node in nodes]
        if self._node_id not in ids:
            self._choose(ids[0] if ids and not self._flags["none"] else "")
        else:
            self._show_choice()

    def _show_choice(self) -> None:
        self._combo.setCurrentIndex(self._combo.findData(self._node_id))

    def _on_activated(self, index: int) -> None:
        self._choose(self._combo.itemData(index) or "")

    def _choose(self, node_id: str) -> None:
        changed = node_id != self._node_id
        self._node_id = node_id
        self._show_choice()
        if changed:
            raw(self, "currentNodeChanged").emit(self.currentNode())
            raw(self, "currentNodeIDChanged").emit(node_id)

    def _flag(name: str) -> Any:  # type: ignore[misc]  # noqa: N805
        def get(self: NodeComboBox) -> bool:
            return self._flags[name]

        def put(self: NodeComboBox, value: bool) -> None:
            self._flags[name] = value
            self._refill()

        return QtCore.Property(bool, get, put)

    def _get_types(self) -> list[str]:
        return self._types

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)
        self._refill()

    def _get_none_display(self) -> str:
        return self._none_display

    def _set_none_display(self, text: str) -> None:
        self._none_display = text
        self._refill()

    def _get_node_id(self) -> str:
        return self._node_id

    noneEnabled = _flag("none")  # noqa: N815
    addEnabled = _flag("add")  # noqa: N815
    removeEnabled = _flag("remove")  # noqa: N815
    renameEnabled = _flag("rename")  # noqa: N815
    showChildNodeTypes = _flag("children")  # noqa: N815
    nodeTypes = QtCore.Property(_STRING_LIST, _get_types, _set_types)  # noqa: N815
    noneDisplay = QtCore.Property(str, _get_none_display, _set_none_display)  # noqa: N815
    currentNodeID = QtCore.Property(str, _get_node_id, _choose)  # noqa: N815


STAND_INS: dict[str, type[QtWidgets.QWidget]] = {
    cls.CLASS_NAME: cls
    for cls in (CollapsibleButton, SliderWidget, PathLineEdit, SceneWidget, NodeComboBox)
}
