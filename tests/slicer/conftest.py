"""Fixtures of the Slicer tests: a real scene, the Qt harness, the extension on the path."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "D24FADSlicer" / "D24FADSlicer"), str(ROOT)]

# What Qt and VTK link to and no wheel brings, with Debian's packages of it.
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
}


def need_libraries() -> None:
    """Skip where a library of the system is missing, but not in CI."""
    for library, package in LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            if "CI" in os.environ:
                raise
            pytest.skip(f"{package} is not installed")


@pytest.fixture(scope="session")
def routes() -> Iterator[Any]:
    """The server's routes on a port, for one server of a test after the other."""
    from harness.study_server import Routes

    opened = Routes()
    yield opened
    opened.close()


@pytest.fixture
def study_server(routes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The real server over an empty folder."""
    from harness.study_server import StudyServer

    with StudyServer(routes, tmp_path_factory.mktemp("studies")) as running:
        yield running


@pytest.fixture
def faults() -> Iterator[Any]:
    """Fails the test on an exception in a slot, a Qt warning or a VTK error line."""
    need_libraries()
    pytest.importorskip(
        "slicer", reason="slicer-core is not installed (pip install d24fad[slicer-test])"
    )
    from harness.faults import Faults

    with Faults() as collected:
        yield collected
    collected.check()


@pytest.fixture
def scene(faults: Any) -> Any:
    """A fresh MRML scene with Red, Yellow and Green slice views, set up as in Slicer."""
    from harness.scene import open_scene

    return open_scene()


@pytest.fixture
def qt(faults: Any) -> Iterator[Any]:
    """Slicer's `qt` module under PythonQt's rules."""
    pytest.importorskip("PySide6", reason="PySide6_Essentials is not installed")
    from harness import application, loader, pythonqt

    module = application.start()
    pythonqt.set_faults(faults)
    loader.collect_qt_warnings(faults)
    yield module
    application.settle()
    pythonqt.set_faults(None)
