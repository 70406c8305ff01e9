"""Reload of the module, by Slicer's own function: one panel, one set of keys, the new library."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import volumes
from places import MODULE

pytest.importorskip("cc3d")


def library() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.split(".")[0].startswith("D24FADSlicer")]
    return {name: sys.modules[name] for name in names}


@pytest.fixture
def reloaded(qt: Any, scene: Any) -> Iterator[Any]:
    """The window of a Slicer in which the module was opened and reloaded twice."""
    import slicer
    from harness import application

    importlib.import_module("D24FADSlicer")
    before = library()
    window = application.open_main_window()
    qt.QSettings().clear()
    parent = application.load_module("D24FADSlicer", str(MODULE / "D24FADSlicer.py"))
    window.setCentralWidget(parent)
    window.show()
    slicer.modules.D24FADSlicerWidget.enter()
    panels = [slicer.modules.D24FADSlicerWidget.panel]
    for _ in range(2):
        slicer.util.reloadScriptedModule("D24FADSlicer")
        application.settle()
        panels.append(slicer.modules.D24FADSlicerWidget.panel)
    yield window, panels
    panels[-1].close()
    window.close()
    application.settle()
    for name in library():
        del sys.modules[name]
    sys.modules.update(before)
    del slicer.modules.D24FADSlicerWidget


def show_case(panel: Any) -> Any:
    """A case with its result in the scene, chosen in a panel."""
    cases = importlib.import_module("D24FADSlicerLib.scene.case")
    parameters = importlib.import_module("D24FADSlicerLib.scene.parameters")
    findings = importlib.import_module("D24FADSlicerLib.logic.findings")
    files = importlib.import_module("D24FADSlicerLib.logic.volume_file")
    data = volumes.scan(volumes.GRIDS["plain"])
    heatmap = files.VolumeData((data.array / 100).astype("float32"), data.affine)
    case = parameters.CaseNode.of_volume(cases.add_volume("case", data))
    analysis = findings.Analysis.read(volumes.result_document(data))
    regions = findings.regions_of(volumes.labels_of(data).array)
    cases.receive(case, cases.Delivery(analysis, heatmap, regions), "AB", 0.6)
    panel.ui.volumeSelector.setCurrentNode(case.volume)
    panel.ui.tabs.setCurrentWidget(panel.ui.reviewPage)
    return case


@pytest.mark.parametrize(("key", "state"), [("A", "accepted"), ("X", "rejected")])
def test_after_two_reloads_a_key_decides_one_finding_of_the_visible_panel(
    reloaded: Any, key: str, state: str
) -> None:
    from harness.application import settle
    from PySide6 import QtTest

    window, panels = reloaded
    assert len({id(panel) for panel in panels}) == 3
    assert [panel.ui.noticeLabel.visible for panel in panels] == [False, False, True]
    case = show_case(panels[-1])
    window.activateWindow()
    settle(50)
    QtTest.QTest.keyClicks(window, key)
    settle()
    assert [case.review.of(rank).state.value for rank in (1, 2)] == [state, "open"]
    assert len(case.review.waiting) == 1


def test_in_another_module_and_back_the_keys_are_neither_taken_nor_dead(reloaded: Any) -> None:
    import slicer
    from harness.application import settle
    from PySide6 import QtTest

    window, panels = reloaded
    case = show_case(panels[-1])
    widget = slicer.modules.D24FADSlicerWidget
    window.activateWindow()
    settle(50)
    widget.exit()
    QtTest.QTest.keyClicks(window, "AXNPH")
    assert not case.review.waiting
    assert panels[-1].ui.heatmapBox.checked
    widget.enter()
    for key in "NXA":
        QtTest.QTest.keyClicks(window, key)
    assert [case.review.of(rank).state.value for rank in (1, 2)] == ["accepted", "rejected"]
    QtTest.QTest.keyClicks(window, "H")
    assert not panels[-1].ui.heatmapBox.checked


def test_in_the_setup_tab_no_key_decides_a_finding_that_is_not_seen(reloaded: Any) -> None:
    from harness.application import settle
    from PySide6 import QtTest

    window, panels = reloaded
    case = show_case(panels[-1])
    panels[-1].ui.tabs.setCurrentWidget(panels[-1].ui.setupPage)
    window.activateWindow()
    panels[-1].ui.tabs.setFocus()
    settle(50)
    QtTest.QTest.keyClicks(window, "AX")
    assert not case.review.waiting


def test_no_shortcut_of_a_panel_that_is_gone_is_left(reloaded: Any) -> None:
    from harness.pythonqt import raw
    from PySide6 import QtGui

    window, _ = reloaded
    keys = [
        raw(found, "key")().toString() for found in raw(window, "findChildren")(QtGui.QShortcut)
    ]
    assert sorted(keys) == ["A", "H", "N", "P", "X"]


def test_the_library_is_the_new_one_everywhere(reloaded: Any) -> None:
    _, panels = reloaded
    newest = type(panels[-1])
    assert newest is sys.modules["D24FADSlicerLib.panel.main_panel"].Panel
    assert not isinstance(panels[0], newest) and not isinstance(panels[1], newest)


def test_the_timer_of_a_panel_runs_only_while_it_is_shown(reloaded: Any) -> None:
    import slicer

    _, panels = reloaded
    assert [bool(panel._timer.active) for panel in panels] == [False, False, True]
    slicer.modules.D24FADSlicerWidget.exit()
    assert not panels[-1]._timer.active
    slicer.modules.D24FADSlicerWidget.enter()
    assert panels[-1]._timer.active


def test_a_change_of_the_source_takes_effect(
    qt: Any, scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the files of a copy: what the user edits is what a reload shows."""
    import shutil

    import slicer
    from harness import application

    before = library()
    copy = tmp_path / "D24FADSlicer"
    shutil.copytree(MODULE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(str(copy))
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    module = importlib.import_module("D24FADSlicer")
    assert Path(module.__file__ or "").parent == copy
    window = application.open_main_window()
    window.setCentralWidget(application.load_module("D24FADSlicer", str(copy / "D24FADSlicer.py")))
    window.show()
    messages = copy / "D24FADSlicerLib" / "logic" / "messages.py"
    text = messages.read_text()
    messages.write_text(text.replace("Research use only.", "Research use only!", 1))
    slicer.util.reloadScriptedModule("D24FADSlicer")
    panel = slicer.modules.D24FADSlicerWidget.panel
    assert panel.ui.noticeLabel.text.startswith("Research use only!")
    panel.close()
    window.close()
    application.settle()
    for name in library():
        del sys.modules[name]
    sys.modules.update(before)
    del slicer.modules.D24FADSlicerWidget
