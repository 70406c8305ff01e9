"""The tests of the core alone: their list holds, and a package that they want is no quiet skip."""

import os
import subprocess
import sys
from pathlib import Path

from tests.core_alone import NEEDS, PLACES, TESTS, includes

ROOT = TESTS.parent


def test_every_name_on_the_list_is_there() -> None:
    assert [name for name in (*PLACES, *NEEDS) if not (TESTS / name).exists()] == []


def test_what_detection_rests_on_is_included() -> None:
    for name in ("io/test_reading.py", "detection/test_detector.py", "cli/test_detect.py"):
        assert includes(TESTS / name)
    for name in ("export/test_dicom.py", "app/api/test_gate.py", "training/test_trainer.py"):
        assert not includes(TESTS / name)
    for folder in (".", "io/dicom", "models", "cli"):
        assert includes(TESTS / folder)
    for folder in ("app", "app/api", "slicer"):
        assert not includes(TESTS / folder)


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
