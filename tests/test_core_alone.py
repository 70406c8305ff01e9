"""The tests of the core alone: their list holds, and a package that they want is no quiet skip."""

import os
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

from tests.core_alone import NEEDS, PLACES, TESTS, includes

ROOT = TESTS.parent


def test_every_name_on_the_list_is_there() -> None:
    assert [name for name in (*PLACES, *NEEDS) if not (TESTS / name).exists()] == []


def test_what_detection_rests_on_is_included() -> None:
    for name in ("io/test_reading.py", "detection/test_detector.py", "cli/commands/test_detect.py"):
        assert includes(TESTS / name)
    for name in ("export/dicom/test_dicom.py", "app/api/test_gate.py", "training/test_trainer.py"):
        assert not includes(TESTS / name)
    for folder in (".", "io/dicom", "support", "cli"):
        assert includes(TESTS / folder)
    for folder in ("app", "app/api", "networks", "slicer"):
        assert not includes(TESTS / folder)


FIND = """
from importlib.metadata import version
from importlib.util import find_spec
print(version("torch"), *(find_spec(name) is not None for name in ("torch", "numpy", "pydicom")))
"""


def borrow(environment: Path, other: str | Path) -> subprocess.CompletedProcess[str]:
    """Lend another environment's PyTorch to a new one."""
    script = ROOT / ".ci" / "borrow_torch.py"
    return subprocess.run(
        [environment / "bin" / "python", script, other, environment.parent / "borrowed"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_pytorch_is_borrowed_and_nothing_else(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment)
    ended = borrow(environment, sys.executable)
    assert ended.returncode == 0, ended.stderr
    run = subprocess.run(
        [environment / "bin" / "python", "-I", "-c", FIND],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [version("torch"), "True", "False", "False"]


def test_without_an_environment_to_borrow_from_the_script_says_so(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment)
    assert borrow(environment, tmp_path / "absent").returncode == 1
    assert borrow(environment, environment / "bin" / "python").returncode == 1


def test_a_skip_for_want_of_a_package_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import pytest_addoption, pytest_sessionfinish\n"
    )
    (tmp_path / "test_skips.py").write_text(
        "import pytest\ndef test_other():\n    pytest.importorskip('no_such_package')\n"
    )
    for option, status in (("--core-alone", 1), ("--verbose", 0)):
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
                *("--rootdir", tmp_path, option, tmp_path),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == status, ended.stdout + ended.stderr
        assert ("must not need no_such_package" in ended.stdout) == bool(status)
