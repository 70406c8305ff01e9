"""The extension as Slicer's build and its catalogue see it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from places import EXTENSION, MODULE, ROOT, SCREENSHOTS

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


_RESOURCES = [f"Resources/{name}" for name in ("UI/*.ui", "Icons/*.png", "SampleData/*")]
NAME = "FewShotAnomalyDetection"
REPOSITORY = f"https://github.com/d24fad/Slicer{NAME}"
_RAW = f"https://raw.githubusercontent.com/d24fad/Slicer{NAME}/main/"


def metadata() -> dict[str, str]:
    """What the extension's CMakeLists.txt says of it."""
    text = (EXTENSION / "CMakeLists.txt").read_text()
    found = dict(re.findall(r'set\((EXTENSION_\w+)\s+"([^"]*)"\)', text))
    (found["project"],) = re.findall(r"project\((\w+)\)", text)
    return found


def readme() -> str:
    return (EXTENSION / "README.md").read_text()


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
        for pattern in ("*.py", "D24FADSlicerLib/**/*.py", *_RESOURCES)
        for path in MODULE.glob(pattern)
    }
    assert listed == there
    assert set(re.findall(r"tested:(\S+)", run.stdout)) == {
        "D24FADSlicer.py",
        "test_D24FADSlicer.py",
    }


# What the index of Slicer's extensions asks of tiers 1 and 3, an item a test.


def test_the_name_says_what_it_is_for_and_is_the_same_everywhere() -> None:
    assert not NAME.startswith("Slicer")
    assert metadata()["project"] == NAME
    assert [path.name for path in EXTENSION.glob("*.json")] == [f"{NAME}.json"]
    assert entry()["scm_url"] == f"{REPOSITORY}.git"
    assert metadata()["EXTENSION_HOMEPAGE"].split("#")[0] == REPOSITORY


def entry() -> dict[str, Any]:
    return dict(json.loads((EXTENSION / f"{NAME}.json").read_text()))


_ENTRY_TYPES: dict[str, type] = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}


def test_the_entry_keeps_to_the_catalogues_schema() -> None:
    """The rules of slicer-extension-catalog-entry-schema-v1.0.1."""
    assert {"$schema", "category", "scm_url"} <= set(entry()) <= set(_ENTRY_TYPES)
    for key, value in entry().items():
        assert type(value) is _ENTRY_TYPES[key], key
    assert entry()["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert all(isinstance(name, str) for name in entry()["build_dependencies"])
    assert entry().get("scm_type", "git") in ("git", "local")
    assert entry()["tier"] in (1, 3, 5)


def test_the_entry_agrees_with_the_build() -> None:
    assert entry()["category"] == metadata()["EXTENSION_CATEGORY"]
    assert metadata()["EXTENSION_DEPENDS"] == "NA" and entry()["build_dependencies"] == []
    text = (MODULE / "D24FADSlicer.py").read_text()
    assert f'parent.categories = ["{entry()["category"]}"]' in text


def test_the_cmake_version_is_that_of_slicers_own_template() -> None:
    """Of Slicer 5.10; below 3.5 CMake 4 refuses to build."""
    first = (EXTENSION / "CMakeLists.txt").read_text().splitlines()[0]
    assert first == "cmake_minimum_required(VERSION 3.20.6...3.22.6 FATAL_ERROR)"


def test_the_description_is_one_or_two_sentences_and_tells_the_use() -> None:
    text = metadata()["EXTENSION_DESCRIPTION"]
    assert text.endswith("Research use only. Not for clinical use.")
    assert len(text.removesuffix("Research use only. Not for clinical use.").split(". ")) <= 2
    assert len(text) < 300


def test_icon_and_screenshots_resolve() -> None:
    """Their addresses name files that are in this folder, which becomes the repository."""
    urls = [metadata()["EXTENSION_ICONURL"], *metadata()["EXTENSION_SCREENSHOTURLS"].split()]
    assert len(urls) >= 2
    for url in urls:
        assert url.startswith(_RAW), url
        path = EXTENSION / url.removeprefix(_RAW)
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) >= 128, path.name


def test_the_licence_is_there_and_named() -> None:
    licence = (EXTENSION / "LICENSE.txt").read_text()
    assert licence == (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "[Apache License 2.0](LICENSE.txt)" in readme()


def test_the_homepage_has_what_the_index_asks_for() -> None:
    text = readme()
    assert text.startswith("# Few-shot anomaly detection in 3D Slicer\n")
    assert NAME in text
    for heading in ("## Modules", "## Tutorial", "## Publication", "## Licence", "## Privacy"):
        assert heading in text, heading
    modules = text.split("## Modules")[1].split("## ")[0]
    assert "D24FAD Anomaly Review" in modules
    assert "https://arxiv.org/abs/2603.01713" in text
    assert "patent" in text.lower()
    assert "Research use only. Not for clinical use." in text


def test_the_tutorial_is_step_by_step_with_pictures_and_sample_data() -> None:
    tutorial = readme().split("## Tutorial")[1].split("\n## ")[0]
    assert len(re.findall(r"^\d+\. ", tutorial, flags=re.M)) >= 5
    assert len(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", tutorial)) >= 3
    assert "Sample Data" in tutorial


def test_every_picture_and_link_of_the_homepage_is_inside_the_extension() -> None:
    """The folder becomes a repository of its own: what is above it is not there."""
    targets = re.findall(r"!?\[[^\]]*\]\(([^)#]+)[^)]*\)", readme())
    assert targets
    for target in targets:
        if not target.startswith("https://"):
            path = (EXTENSION / target).resolve()
            assert path.exists() and path.is_relative_to(EXTENSION), target
    shown = {Path(target).name for target in targets}
    assert {path.name for path in SCREENSHOTS.glob("*.png")} <= shown


def test_nothing_is_fetched_or_sent_but_to_the_server_that_the_user_names() -> None:
    """No address of another host, no telemetry, and code is fetched in one place, on a button."""
    installs = [
        path.name for path in MODULE.rglob("*.py") if '"pip", "install"' in path.read_text()
    ]
    assert installs == ["environment.py"]
    for path in MODULE.rglob("*.py"):
        text = path.read_text()
        for address in re.findall(r"https?://\w[\w.:-]*", text):
            assert address.startswith(("http://127.0.0.1", "https://127.0.0.1")), (path, address)
        assert "pip_install" not in text and "urlretrieve" not in text, path


@pytest.mark.parametrize("path", sorted(MODULE.rglob("*.py")), ids=lambda p: p.name)
def test_qt_is_used_as_pythonqt_allows(path: Path) -> None:
    """No keyword arguments to Qt, no scoped enumerations: both are PySide's."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("qt."):
            assert not node.keywords, ast.unparse(node)
        if isinstance(node, ast.Attribute):
            assert not re.fullmatch(r"qt\.\w+\.\w+\.\w+", ast.unparse(node)), ast.unparse(node)
