"""The rules by which PySide6 stands in for PythonQt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_a_property_reads_and_writes_as_an_attribute(qt: Any) -> None:
    button = qt.QPushButton("first")
    button.text = "second"
    button.enabled = False
    assert button.text == "second"
    assert button.enabled is False


def test_calling_a_property_is_a_type_error(qt: Any) -> None:
    with pytest.raises(TypeError):
        qt.QPushButton("x").text()


def test_setters_stay_methods(qt: Any) -> None:
    button = qt.QPushButton("x")
    button.setText("y")
    assert button.text == "y"


def test_the_getter_of_a_boolean_property_is_refused(qt: Any) -> None:
    with pytest.raises(AttributeError, match="enabled"):
        qt.QPushButton("x").isEnabled()


@pytest.mark.parametrize("name", ["txet", "foo", "currentText"])
def test_a_name_that_is_no_property_cannot_be_assigned(qt: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        setattr(qt.QPushButton("x"), name, "value")


def test_a_misspelt_property_cannot_be_read(qt: Any) -> None:
    with pytest.raises(AttributeError):
        _ = qt.QPushButton("x").enabeld


def test_a_read_only_property_cannot_be_assigned(qt: Any) -> None:
    with pytest.raises(AttributeError, match="read-only"):
        qt.QComboBox().count = 3


def test_a_value_of_the_wrong_type_is_refused(qt: Any) -> None:
    with pytest.raises(TypeError):
        qt.QSpinBox().value = object()


def test_connect_by_signature_gives_the_slot_what_it_takes(qt: Any) -> None:
    button, seen = qt.QPushButton("x"), []
    button.connect("clicked(bool)", lambda: seen.append("none"))
    button.connect("clicked(bool)", lambda checked: seen.append(checked))
    button.clicked.connect(lambda: seen.append("by name"))
    button.click()
    assert seen == ["none", False, "by name"]


@pytest.mark.parametrize("signature", ["clickd(bool)", "clicked(int)", "textChanged(QString)"])
def test_an_unknown_signal_is_a_value_error(qt: Any, signature: str) -> None:
    with pytest.raises(ValueError, match="no signal"):
        qt.QPushButton("x").connect(signature, print)


def test_connecting_to_no_function_is_a_type_error(qt: Any) -> None:
    with pytest.raises(TypeError):
        qt.QPushButton("x").connect("clicked(bool)", None)


def test_disconnect_stops_the_calls(qt: Any) -> None:
    button, seen = qt.QPushButton("x"), []
    button.connect("clicked(bool)", seen.append)
    button.disconnect("clicked(bool)", seen.append)
    button.click()
    assert seen == []


def test_there_is_no_emit(qt: Any) -> None:
    button, seen = qt.QPushButton("x"), []
    button.connect("clicked(bool)", seen.append)
    with pytest.raises(AttributeError):
        button.clicked.emit(True)
    button.clicked(True)
    assert seen == [True]


def test_keyword_arguments_are_refused(qt: Any) -> None:
    with pytest.raises(TypeError, match="keyword"):
        qt.QComboBox().addItem(text="x")


def test_an_exception_in_a_slot_is_a_fault(qt: Any, faults: Any) -> None:
    def fail() -> None:
        raise KeyError("lost")

    button = qt.QPushButton("x")
    button.connect("clicked(bool)", fail)
    button.click()
    with pytest.raises(AssertionError, match="lost"):
        faults.check()
    faults.forget()


def test_an_exception_in_a_timer_is_a_fault(qt: Any, faults: Any) -> None:
    from harness.application import settle

    def fail() -> None:
        raise KeyError("late")

    timer = qt.QTimer()
    timer.connect("timeout()", fail)
    timer.singleShot = True
    timer.start(0)
    settle(20)
    with pytest.raises(AssertionError, match="late"):
        faults.check()
    faults.forget()


def test_a_class_derived_in_python_keeps_its_attributes_and_overrides(qt: Any) -> None:
    class Watcher(qt.QWidget):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            qt.QWidget.__init__(self)
            self.seen: list[Any] = []

        def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
            self.seen.append(event.type())
            return False

    watcher, label = Watcher(), qt.QLabel("x")
    label.installEventFilter(watcher)
    label.text = "y"
    label.show()
    assert watcher.seen


def test_an_exception_in_an_override_is_a_fault(qt: Any, faults: Any) -> None:
    from harness.application import settle

    class Watcher(qt.QWidget):  # type: ignore[misc,name-defined]
        raised = False

        def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
            if not Watcher.raised:
                Watcher.raised = True
                raise KeyError("filtered")
            return False

    watcher, target = Watcher(), qt.QObject()
    target.installEventFilter(watcher)
    qt.QCoreApplication.postEvent(target, qt.QEvent(qt.QEvent.User))
    settle()
    with pytest.raises(AssertionError, match="filtered"):
        faults.check()
    faults.forget()


def test_a_vtk_error_is_a_fault(faults: Any) -> None:
    import vtk

    reader = vtk.vtkXMLImageDataReader()
    reader.SetFileName("/nowhere.vti")
    reader.Update()
    with pytest.raises(AssertionError, match="nowhere"):
        faults.check()
    faults.forget()


_UI = """<ui version="4.0"><class>Panel</class><widget class="qMRMLWidget" name="Panel">
<layout class="QVBoxLayout" name="layout"><item>
<widget class="{cls}" name="section"><property name="{prop}"><string>Title</string></property>
<layout class="QVBoxLayout" name="inner"><item><widget class="QLabel" name="label"/></item>
<item><widget class="qMRMLNodeComboBox" name="selector"><property name="nodeTypes"><stringlist>
<string>vtkMRMLScalarVolumeNode</string></stringlist></property></widget></item></layout>
</widget></item></layout></widget><connections><connection><sender>Panel</sender>
<signal>{signal}</signal><receiver>selector</receiver><slot>{slot}</slot></connection>
</connections></ui>"""


def _load(qt: Any, folder: Path, **changes: str) -> Any:
    import slicer

    parts = {
        "cls": "ctkCollapsibleButton",
        "prop": "text",
        "signal": "mrmlSceneChanged(vtkMRMLScene*)",
        "slot": "setMRMLScene(vtkMRMLScene*)",
    } | changes
    path = folder / "panel.ui"
    path.write_text(_UI.format(**parts))
    return slicer.util.loadUI(str(path))


def test_a_ui_file_gives_named_widgets_and_its_connections(
    qt: Any, scene: Any, tmp_path: Path
) -> None:
    import slicer

    widget = _load(qt, tmp_path)
    ui = slicer.util.childWidgetVariables(widget)
    widget.setMRMLScene(scene)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    assert ui.section.text == "Title"
    assert ui.selector.currentNode() is volume


@pytest.mark.parametrize(
    "changes",
    [
        {"cls": "ctkUnheardOf"},
        {"prop": "txet"},
        {"signal": "sceneChanged(vtkMRMLScene*)"},
        {"slot": "setScene(vtkMRMLScene*)"},
    ],
)
def test_a_wrong_ui_file_is_refused(qt: Any, tmp_path: Path, changes: dict[str, str]) -> None:
    from harness.loader import UiError

    with pytest.raises(UiError):
        _load(qt, tmp_path, **changes)


def test_children_of_a_collapsed_section_are_hidden(qt: Any, tmp_path: Path) -> None:
    import slicer

    widget = _load(qt, tmp_path)
    ui = slicer.util.childWidgetVariables(widget)
    widget.show()
    assert ui.label.visible
    ui.section.collapsed = True
    assert not ui.label.visible
    ui.section.collapsed = False
    assert ui.label.visible


def test_a_stand_in_has_nothing_that_the_original_lacks(qt: Any, tmp_path: Path) -> None:
    import slicer

    ui = slicer.util.childWidgetVariables(_load(qt, tmp_path))
    with pytest.raises(AttributeError):
        ui.selector.currentVolume = 1
    with pytest.raises(AttributeError):
        _ = ui.section.title
    with pytest.raises(ValueError, match="no signal"):
        ui.selector.connect("currentNodeChange(vtkMRMLNode*)", print)


def test_a_node_selector_follows_the_scene(qt: Any, scene: Any, tmp_path: Path) -> None:
    import slicer

    widget = _load(qt, tmp_path)
    ui = slicer.util.childWidgetVariables(widget)
    widget.setMRMLScene(scene)
    seen: list[Any] = []
    ui.selector.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    scene.RemoveNode(volume)
    assert seen == [volume, None]


def test_a_slider_tells_of_its_value_once(qt: Any) -> None:
    import ctk

    slider, seen = ctk.ctkSliderWidget(), []
    slider.maximum = 10.0
    slider.connect("valueChanged(double)", seen.append)
    slider.value = 4.0
    assert seen == [4.0]
