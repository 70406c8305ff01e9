"""Which Python runs the server, what it has, and with which variables it is run."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from . import processes

# A package in the folder comes before one of Slicer's, and nothing comes from where Slicer works.
PATH_FIRST = "import sys; folder = sys.argv.pop(1); sys.path[:1] = [folder] if folder else []; "
_NEEDED = (
    *("d24fad_core", "monailabel_app", "torch", "SimpleITK", "nibabel", "pydicom", "scipy"),
    *("typer", "fastapi", "uvicorn", "filelock", "highdicom", "dicomweb_client"),
)
_PROBE = (
    PATH_FIRST
    + "import json, importlib.util as u; there = lambda name: u.find_spec(name) is not None; "
    + "print(json.dumps({'version': sys.version_info[:2], 'pip': there('pip'), "
    + f"'missing': [name for name in {_NEEDED!r} if not there(name)]}}))"
)
# Where they point is Slicer's own, or the user's other programs'.
_NOT_HANDED_ON = ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONSAFEPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Python:
    """A Python and the variables that it is run with.

    Attributes:
        executable: the program.
        variables: its whole environment.
    """

    executable: str
    variables: Mapping[str, str]

    @classmethod
    def of_slicer(cls, variables: Mapping[str, str]) -> Python:
        """The Python that Slicer brings.

        Args:
            variables: Slicer's own, by which it finds its libraries.
        """
        return cls(shutil.which("PythonSlicer") or sys.executable, _cleaned(variables))

    @classmethod
    def chosen(cls, executable: str, variables: Mapping[str, str]) -> Python:
        """A Python that the user chose.

        Args:
            executable: its path.
            variables: those that Slicer was started with: its own would mislead another Python.
        """
        without_home = {key: value for key, value in variables.items() if key != "PYTHONHOME"}
        return cls(executable, _cleaned(without_home))


@dataclass(frozen=True)
class Inspection:
    """What a Python has.

    Attributes:
        version: its version, major and minor.
        missing: the packages of the server that it lacks.
        has_pip: whether it can install packages.
    """

    version: tuple[int, int]
    missing: tuple[str, ...]
    has_pip: bool


def inspect(python: Python, packages: Path | None, task: Task) -> Inspection:
    """Ask a Python what it has; for a worker.

    Args:
        python: whom to ask.
        packages: a folder whose packages come first; None for none.
        task: for cancelling.

    Raises:
        ExplainedError: it is no Python.
        CancelledError: the user cancelled.
    """
    lines: list[str] = []
    command = (python.executable, "-c", _PROBE, str(packages or ""))
    status = processes.run(
        command, python.variables, Path(tempfile.gettempdir()), task, lines.append
    )
    try:
        answer = json.loads(lines[-1])
        major, minor = answer["version"]
        return Inspection((major, minor), tuple(answer["missing"]), bool(answer["pip"]))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ExplainedError(
            _("'{program}' does not answer as a Python does (status {status}).").format(
                program=python.executable, status=status
            ),
            _("Choose another Python beside Python in the Setup tab, or leave the field empty."),
            "no_python",
        ) from error


def _cleaned(variables: Mapping[str, str]) -> dict[str, str]:
    rest = {key: value for key, value in variables.items() if key not in _NOT_HANDED_ON}
    return {**rest, "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
