import errno
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.cli import app
from d24fad_core.errors import CancelledError, InputError
from tests.cli.fake_detector import FakeDetector

COMMANDS = ("simulate", "train", "evaluate", "detect", "info", "import-official")


def run_with_fault(studies: Path, fault: BaseException) -> Result:
    case, normals, out = (str(studies / name) for name in ("case.nii.gz", "normals", "out"))
    arguments = ["detect", case, "--support", normals, "--out", out]
    return CliRunner().invoke(app, arguments, obj=FakeDetector(fault=fault).load)


def test_help_lists_the_commands() -> None:
    run = CliRunner().invoke(app, ["--help"])
    assert run.exit_code == 0
    assert [command for command in COMMANDS if command not in run.stdout] == []
    assert RESEARCH_USE_ONLY in run.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    run = CliRunner().invoke(app, [command, "--help"])
    assert run.exit_code == 0
    assert "Usage" in run.stdout


def test_version() -> None:
    run = CliRunner().invoke(app, ["--version"])
    assert run.exit_code == 0
    assert run.stdout == f"d24fad {__version__}. {RESEARCH_USE_ONLY}\n"


def test_help_does_not_wait_for_the_networks_to_be_imported() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from d24fad_core.cli import app;"
        "assert CliRunner().invoke(app, ['detect', '--help']).exit_code == 0;"
        "heavy = {'torch', 'monai', 'SimpleITK', 'matplotlib', 'skimage', 'scipy', 'nibabel'};"
        "heavy &= set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_can_be_run_as_a_module() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "d24fad_core", "--version"], capture_output=True, text=True
    )
    assert run.stdout.startswith("d24fad ")


@pytest.mark.parametrize(
    ("fault", "status", "line"),
    [
        (InputError("x.nii: is no scan", "give one."), 2, "error: x.nii: is no scan; give one."),
        (InputError("two\n  lines", "say so."), 2, "error: two lines; say so."),
        (
            OSError(errno.ENOSPC, "No space left on device", "/disk/out"),
            1,
            "error: /disk/out: No space left on device; free some space there, then try again.",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/root/out"),
            1,
            "error: /root/out: Permission denied; check your rights there, then try again.",
        ),
        (
            MemoryError(),
            1,
            "error: not enough memory; close other programs or give smaller images.",
        ),
        (KeyboardInterrupt(), 130, "stopped; no result was written to {out}"),
        (CancelledError("stopped after epoch 3"), 130, "stopped after epoch 3"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    studies: Path, fault: BaseException, status: int, line: str
) -> None:
    run = run_with_fault(studies, fault)
    assert run.exit_code == status
    assert run.stderr == f"{line.format(out=studies / 'out')}\n"
    assert run.stdout == ""
    assert not (studies / "out").exists()


def test_a_fault_of_the_program_itself_is_not_hidden(studies: Path) -> None:
    run = run_with_fault(studies, ZeroDivisionError("a bug"))
    assert isinstance(run.exception, ZeroDivisionError)
