"""Every text that the user reads can be translated, by Slicer's own means."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from D24FADSlicerLib.logic import language
from D24FADSlicerLib.logic.messages import problem_of_connection
from places import MODULE

LIBRARY = MODULE / "D24FADSlicerLib"
SHOWN = {"text", "toolTip", "placeholderText"}
# The server's own words come in English; what the panel makes of its answers goes through here.
ANSWERS = {"records.py", "findings.py", "matching.py"}


@pytest.fixture
def german() -> Iterator[None]:
    """A translation that can be told from the original and keeps the places to fill."""
    before = language._language.translate
    language.translate_by(lambda context, text: f"<{context}> {text}")
    yield
    language.translate_by(before)


def is_translated(node: ast.expr) -> bool:
    """Whether an expression holds no English text that was not handed to `_`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
        return isinstance(node.args[0], ast.Constant)
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, str) or not re.search(r"[A-Za-z]{2}", node.value)
    parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return all(is_translated(part) for part in parts)


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=lambda p: p.stem)
def test_problems_and_labels_are_handed_to_the_translation(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if path.name not in ANSWERS and isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name == "ExplainedError":
                for argument in node.args[:2]:
                    whole = ast.unparse(argument)
                    assert is_translated(argument) or "error.get" in whole, whole
            elif name.endswith(".report") and node.args:
                assert is_translated(node.args[0]) or "step" in ast.unparse(node.args[0])
        if isinstance(node, ast.Assign) and path.parent.name == "panel":
            target = node.targets[0]
            if isinstance(target, ast.Attribute) and target.attr in SHOWN:
                assert is_translated(node.value), ast.unparse(node)


@pytest.mark.parametrize("path", sorted(MODULE.rglob("*.py")), ids=lambda p: p.stem)
def test_what_is_translated_is_a_text_that_the_tools_can_find(path: Path) -> None:
    """Qt's tools read the source: a text put together at run time is none for them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            assert isinstance(node.args[0], ast.Constant), ast.unparse(node)


def test_a_text_is_looked_up_under_its_folder_and_file(german: None) -> None:
    problem = problem_of_connection(ConnectionRefusedError(), "http://x")
    assert problem.cause == "<logic.messages> Nothing listens at http://x."
    assert problem.remedy.startswith("<logic.messages> Start the server")


def test_without_slicer_the_texts_are_as_written() -> None:
    assert language._as_written("logic.messages", "Nothing.") == "Nothing."


def test_the_panel_speaks_the_users_language(
    qt: Any, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness import application

    translate = lambda context, text: text.upper() if "{" not in text else f"* {text}"  # noqa: E731
    before = language._language.translate
    main_panel = importlib.import_module("D24FADSlicerLib.panel.main_panel")
    monkeypatch.setattr(main_panel, "translate", translate)
    window = application.open_main_window()
    widget = importlib.import_module("D24FADSlicer").D24FADSlicerWidget(None)
    widget.setup()
    ui = widget.panel.ui
    assert ui.noticeLabel.text == "RESEARCH USE ONLY. NOT FOR CLINICAL USE."
    table = ui.findingsTable
    headers = [table.horizontalHeaderItem(i).text() for i in range(table.columnCount)]
    assert headers == ["#", "DECISION", "ML", "SCORE", "WHERE (MM)", "NOTE", "CHANGE"]
    assert ui.caseBox.itemText(0) == "NEXT: HIGHEST SCORE"
    assert ui.caseLabel.text == "NO RESULT YET."
    ui.runButton.click()
    assert ui.messageLabel.text.startswith("THE PANEL IS NOT CONNECTED")
    ui.addressEdit.text = "not an address"
    ui.testButton.click()
    assert ui.messageLabel.text.startswith("* 'not an address' is no server address.")
    widget.cleanup()
    window.close()
    language.translate_by(before)
    application.settle()
