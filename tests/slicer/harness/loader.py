"""Loading of .ui files as strictly as a developer would wish Slicer's loader to be."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from harness.faults import Faults
from harness.pythonqt import find_signal, guarded, has_property, loading, raw
from harness.widgets import STAND_INS


class UiError(RuntimeError):
    """A .ui file names a widget, property, signal or slot that does not exist."""


class _Factory(QtUiTools.QUiLoader):
    """Creates the stand-ins for ctk and qMRML classes, Qt's own widgets by Qt."""

    def createWidget(  # noqa: N802
        self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = ""
    ) -> QtWidgets.QWidget:
        if class_name in STAND_INS:
            widget = STAND_INS[class_name](parent)
            widget.setObjectName(name)
            return widget
        return QtUiTools.QUiLoader.createWidget(self, class_name, parent, name)


class UiLoader:
    """`qt.QUiLoader` of the tests."""

    def load(self, file: Any) -> QtWidgets.QWidget:
        """Build the widget and apply its connections.

        Raises:
            UiError: an unknown class, property, sender, receiver, signal or slot.
        """
        return load_ui(Path(raw(file, "fileName")()))


def load_ui(path: Path) -> QtWidgets.QWidget:
    """Build the widget that a .ui file describes."""
    tree = ElementTree.parse(path)
    factory = _Factory()
    known = set(factory.availableWidgets()) | set(STAND_INS)
    for element in tree.iter("widget"):
        if element.get("class") not in known:
            raise UiError(f"{path.name}: unknown widget class {element.get('class')}.")
    connections = tree.getroot().find("connections")
    pending = list(connections.iter("connection")) if connections is not None else []
    if connections is not None:
        tree.getroot().remove(connections)
    data = QtCore.QBuffer()
    raw(data, "setData")(QtCore.QByteArray(ElementTree.tostring(tree.getroot())))
    raw(data, "open")(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    with loading():
        widget = factory.load(data)
    if widget is None:
        raise UiError(f"{path.name}: {factory.errorString()}")
    named = {
        raw(child, "objectName")(): child for child in raw(widget, "findChildren")(QtCore.QObject)
    }
    named[raw(widget, "objectName")()] = widget
    _check_properties(path, tree, named)
    for connection in pending:
        _apply(path, connection, named)
    return widget


def _check_properties(path: Path, tree: Any, named: dict[str, Any]) -> None:
    for element in tree.iter("widget"):
        widget = named[element.get("name")]
        for child in element.findall("property"):
            name = child.get("name")
            if child.get("stdset") != "0" and not has_property(widget, name):
                raise UiError(
                    f"{path.name}: {element.get('class')} {element.get('name')} has no "
                    f"property '{name}'."
                )


def _apply(path: Path, connection: Any, named: dict[str, Any]) -> None:
    parts = {key: connection.findtext(key, "") for key in ("sender", "signal", "receiver", "slot")}
    for role in ("sender", "receiver"):
        if parts[role] not in named:
            raise UiError(f"{path.name}: a connection names the unknown {role} '{parts[role]}'.")
    sender, receiver = named[parts["sender"]], named[parts["receiver"]]
    signal = find_signal(sender, parts["signal"])
    if signal is None:
        raise UiError(f"{path.name}: {parts['sender']} has no signal '{parts['signal']}'.")
    slots = getattr(type(receiver), "SLOTS", {})
    slot = bytes(QtCore.QMetaObject.normalizedSignature(parts["slot"]).data()).decode()
    if slot in slots:
        function = guarded(raw(receiver, slots[slot]))
        QtCore.QObject.connect(sender, QtCore.SIGNAL(signal), function)
    elif raw(receiver, "metaObject")().indexOfSlot(slot) >= 0:
        QtCore.QObject.connect(sender, QtCore.SIGNAL(signal), receiver, QtCore.SLOT(slot))
    else:
        raise UiError(f"{path.name}: {parts['receiver']} has no slot '{parts['slot']}'.")


def collect_qt_warnings(faults: Faults) -> None:
    """Make Qt's own complaints (unknown connections, bad parents) faults of the test."""

    def handle(kind: Any, context: Any, message: str) -> None:
        harmless = message.startswith(
            ("This plugin does not support", "QFont", "propagateSizeHints")
        )
        if kind != QtCore.QtMsgType.QtDebugMsg and not harmless:
            faults.record(f"Qt: {message}")

    QtCore.qInstallMessageHandler(handle)
