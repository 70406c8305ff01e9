"""The extension as Slicer's build and its catalogue see it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from places import EXTENSION, MODULE, SCREENSHOTS

_STUB = """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/use.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/nothing.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/nothing.cmake)
"""
_MACROS = """
set(BUILD_TESTING ON)
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(M "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file ${M_SCRIPTS} ${M_RESOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "listed but missing: ${file}")
    endif()
    message(STATUS "listed:${file}")
  endforeach()
endmacro()
macro(slicer_add_python_unittest)
  cmake_parse_arguments(M "" "SCRIPT" "" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${M_SCRIPT})
    message(FATAL_ERROR "listed but missing: ${M_SCRIPT}")
  endif()
  message(STATUS "tested:${M_SCRIPT}")
endmacro()
"""


def test_the_build_lists_every_file_and_no_other(tmp_path: Path) -> None:
    """CMake runs for real; Slicer's own macros are replaced by ones that check."""
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "SlicerConfig.cmake").write_text(_STUB)
    (stub / "use.cmake").write_text(_MACROS)
    (stub / "nothing.cmake").write_text("")
    command = ["cmake", "-S", str(EXTENSION), "-B", str(tmp_path / "build"), f"-DSlicer_DIR={stub}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    listed = set(re.findall(r"listed:(\S+)", run.stdout))
    there = {
        str(path.relative_to(MODULE))
        for pattern in ("*.py", "D24FADSlicerLib/**/*.py", "Resources/*/*.ui", "Resources/*/*.png")
        for path in MODULE.glob(pattern)
    }
    assert listed == there
    assert set(re.findall(r"tested:(\S+)", run.stdout)) == {
        "D24FADSlicer.py",
        "test_D24FADSlicer.py",
    }


def test_the_catalogue_entry_has_what_the_catalogue_asks_for() -> None:
    entry = json.loads((EXTENSION / "D24FADSlicer.json").read_text())
    allowed = {"$schema", "category", "scm_url", "scm_revision", "scm_type", "build_dependencies"}
    allowed |= {"build_subdirectory", "enabled", "tier"}
    assert {"$schema", "category", "scm_url"} <= set(entry) <= allowed
    assert entry["tier"] in (1, 3, 5)


def test_the_tutorial_shows_pictures_that_are_there() -> None:
    text = (EXTENSION / "README.md").read_text()
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert pictures
    for picture in pictures:
        assert (EXTENSION / picture).resolve().is_file(), picture
    assert {path.name for path in SCREENSHOTS.glob("slicer-*.png")} <= {
        Path(picture).name for picture in pictures
    }
    assert "Research use only. Not for clinical use." in text


@pytest.mark.parametrize("path", sorted(MODULE.rglob("*.py")), ids=lambda p: p.name)
def test_qt_is_used_as_pythonqt_allows(path: Path) -> None:
    """No keyword arguments to Qt, no scoped enumerations: both are PySide's."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("qt."):
            assert not node.keywords, ast.unparse(node)
        if isinstance(node, ast.Attribute):
            assert not re.fullmatch(r"qt\.\w+\.\w+\.\w+", ast.unparse(node)), ast.unparse(node)
