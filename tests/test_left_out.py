"""What brings the tests' own means, and what a run says where they are missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.left_out import last_line

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "system-packages"
MAKE_IN_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
"""What a `make` hands on to the programs that it runs, pytest among them."""


def program(folder: Path, name: str, lines: str) -> None:
    """A stand-in for a program of the system, which an unprivileged test may not run."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


def system(
    folder: Path, user: int = 0, absent: str = "", sudo: bool = True, apt: str = "exit 0"
) -> dict[str, str]:
    """An environment whose package manager lacks `absent` and logs what it is asked for."""
    for name in ("bash", "sh", "env", "grep"):
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(shutil.which(name) or name)
    log = folder / "log"
    program(folder, "id", f"echo {user}")
    program(
        folder,
        "dpkg-query",
        f'for last; do :; done; [ "$last" = "{absent}" ] || echo install ok installed',
    )
    program(folder, "apt-get", f'echo apt-get "$@" >>{log}; {apt}')
    program(folder, "systemctl", f'echo systemctl "$@" >>{log}')
    if sudo:
        program(folder, "sudo", f'echo sudo "$@" >>{log}; shift; [ "$1" = true ] || exec "$@"')
    else:
        program(folder, "sudo", "exit 1")
    return {"PATH": str(folder)}


def run(environment: dict[str, str], folder: Path) -> tuple[subprocess.CompletedProcess[str], str]:
    """The script's end, and what it asked of the system."""
    ended = subprocess.run(
        [SCRIPT], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    log = folder / "bin" / "log"
    return ended, log.read_text() if log.exists() else ""


def test_nothing_is_asked_for_where_all_is_there(tmp_path: Path) -> None:
    ended, log = run(system(tmp_path / "bin", user=1000), tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr, log) == (0, "", "", "")


@pytest.mark.parametrize("user", [0, 1000])
def test_what_is_missing_is_installed_by_root_or_by_sudo(tmp_path: Path, user: int) -> None:
    ended, log = run(system(tmp_path / "bin", user, absent="dicom3tools"), tmp_path)
    assert ended.returncode == 0, ended.stderr
    calls = [line for line in log.splitlines() if line.startswith("apt-get")]
    assert [call.split()[1] for call in calls] == ["update", "install"]
    assert calls[1].endswith(" dicom3tools")
    assert ("sudo" in log) == (user != 0)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"user": 1000, "sudo": False}, "only root can install them"),
        ({"apt": "exit 100"}, "apt-get update failed"),
        ({"apt": "[ $1 = update ]"}, "apt-get install failed"),
    ],
)
def test_one_line_says_why_nothing_was_installed(
    tmp_path: Path, document: dict[str, object], reason: str
) -> None:
    ended, _ = run(system(tmp_path / "bin", absent="orthanc", **document), tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == f"System packages left out, since {reason}: orthanc\n"


def test_another_kind_of_system_is_told_what_is_needed(tmp_path: Path) -> None:
    environment = system(tmp_path / "bin")
    (tmp_path / "bin" / "apt-get").unlink()
    ended, _ = run(environment, tmp_path)
    assert ended.returncode == 1
    assert "there is no apt-get: make" in ended.stderr and "orthanc" in ended.stderr


def test_make_test_goes_on_without_them(tmp_path: Path) -> None:
    """The real recipe, with a script that refuses and a pytest that tells it was reached."""
    program(tmp_path / ".ci", "system-packages", "echo System packages left out >&2; exit 1")
    program(tmp_path / "bin", "python", 'echo ran "$@"')
    ended = subprocess.run(
        [
            *("make", "--no-print-directory", "--file", ROOT / "Makefile"),
            *("--assume-old", ".venv/.installed", "BIN=bin", "test"),
        ],
        env={name: value for name, value in os.environ.items() if name not in MAKE_IN_MAKE},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("ran -m pytest -n 2 --dist loadfile --no-loadscope-reorder\n")


def test_make_installs_every_extra() -> None:
    """Else tests are left out for want of a package that `make test` could have brought."""
    line = re.search(r"-e '\.\[(.+)\]'", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert line is not None and set(line[1].split(",")) == {"all", "docs", "slicer-test", "test"}


def test_a_run_ends_with_what_it_left_out(tmp_path: Path) -> None:
    """Each kind of skip that the tests have, in a run of pytest with the real hook."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_sessionfinish\n")
    (tmp_path / "test_skips.py").write_text(
        "import pytest\n"
        'def test_pacs():\n    pytest.skip("Debian\'s orthanc is not installed")\n'
        "@pytest.mark.skipif(True, reason='cmake is not installed')\n"
        "def test_build():\n    pass\n"
        "def test_other():\n    pytest.skip('needs the moon')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 skipped" in ended.stdout, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1] == (
        "Tests were left out for want of cmake, orthanc (run .ci/system-packages as root)."
    )


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("Skipped: could not import 'onnx': No module named 'onnx'", "onnx (run make test)"),
        (
            "Skipped: slicer-core is not installed (pip install d24fad[slicer-test])",
            "slicer-core (run make test)",
        ),
        ("deepbet is not installed (pip install d24fad[brain])", "deepbet (run make test)"),
        ("the real volumes of ../shared are absent", "(put them in ../shared)"),
    ],
)
def test_what_brings_it_is_said(reason: str, advice: str) -> None:
    line = last_line([reason])
    assert line is not None and advice in line and "system-packages" not in line


def test_a_whole_run_says_nothing() -> None:
    assert last_line([]) is None
