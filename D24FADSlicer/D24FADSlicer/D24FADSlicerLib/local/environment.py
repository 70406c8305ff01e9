"""The packages of the server: found, or installed into a folder of their own.

The folder is filled by `pip install --target` and put first on the path of Slicer's own Python. So
Slicer's packages stay as they are. It is no virtual environment: on Windows the launcher of one
looks for `python.exe` beside the Python it was made by, and Slicer's is called `python-real.exe`.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..logic.installation import InstallationProgress, problem_of_installation
from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from . import processes
from .pythons import PATH_FIRST, Inspection, Python, inspect

VERSION = "0.1.0"
"""The release of D24FAD that this module works with."""
OLDEST, NEWEST = (3, 10), (3, 13)
"""The versions of Python that D24FAD runs on."""
_PROJECT = 'name = "d24fad"'
_MARK = "d24fad-installed.json"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Environment:
    """A Python with the packages of the server.

    Attributes:
        python: runs them.
        packages: the folder that they were installed into; None where the Python has them.
    """

    python: Python
    packages: Path | None

    @property
    def variables(self) -> dict[str, str]:
        """Those that it is run with; programs that it starts find the packages too."""
        path = {} if self.packages is None else {"PYTHONPATH": str(self.packages)}
        return {**self.python.variables, **path}

    def command(self, module: str, options: Sequence[str]) -> list[str]:
        """The command that runs a module as `python -m` does."""
        code = PATH_FIRST + f"import runpy; runpy.run_module({module!r}, run_name='__main__')"
        return [self.python.executable, "-c", code, str(self.packages or ""), *options]


def source_of(extension: Path) -> str:
    """What pip installs D24FAD from: the repository that the extension lies in, else an index.

    Args:
        extension: the folder of the extension.
    """
    project = extension.parent / "pyproject.toml"
    if project.is_file() and _PROJECT in project.read_text(encoding="utf-8"):
        return f"{project.parent}[local]"
    return f"d24fad[local]=={VERSION}"


class Installer:
    """Finds the packages of the server, or installs them.

    Args:
        folder: where they are installed, in a folder for each version of Python.
        source: what pip installs.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self._source = source

    def find(self, python: Python, task: Task) -> Environment | None:
        """The environment of a Python; None where its packages have yet to be installed.

        Raises:
            ExplainedError: it is no Python, or one that D24FAD does not run on.
            CancelledError: the user cancelled.
        """
        inspection = self._inspect(python, task)
        if not inspection.missing:
            return Environment(python, None)
        packages = self._packages(inspection)
        return Environment(python, packages) if self._is_complete(packages) else None

    def install(self, python: Python, task: Task) -> Environment:
        """Install the packages, whole or not at all; for a worker.

        Raises:
            ExplainedError: they cannot be had, there is no room, or the Python has no pip.
            CancelledError: the user cancelled.
        """
        inspection = self._inspect(python, task)
        if not inspection.has_pip:
            raise ExplainedError(
                _("'{program}' has no pip to install with.").format(program=python.executable),
                _("Choose another Python beside Python in the Setup tab, or leave it empty."),
                "no_pip",
            )
        packages = self._packages(inspection)
        partial, scratch = packages.with_suffix(".partial"), packages.with_suffix(".scratch")
        try:
            for folder in (packages, partial, scratch):
                shutil.rmtree(folder, ignore_errors=True)
            scratch.mkdir(parents=True)
            self._pip(python, partial, scratch, task)
            task.report(_("Checking what was installed"))
            missing = inspect(python, partial, task).missing
            if missing:
                raise ExplainedError(
                    _("pip is done, but {packages} cannot be found.").format(
                        packages=", ".join(missing)
                    ),
                    _("Please report this with Slicer's log."),
                    "incomplete",
                )
            (partial / _MARK).write_text(self._mark(), encoding="utf-8")
            partial.replace(packages)
        except OSError as error:
            raise problem_of_installation([f"{type(error).__name__}: {error}"], packages) from error
        finally:
            for folder in (partial, scratch):
                shutil.rmtree(folder, ignore_errors=True)
        return Environment(python, packages)

    def _pip(self, python: Python, target: Path, scratch: Path, task: Task) -> None:
        progress, lines = InstallationProgress(), [""]

        def read(line: str) -> None:
            lines.append(line)
            step = progress.read(line)
            if step is not None:
                task.report(step.step, step.fraction)

        # pip unpacks into its temporary folder first: it shall be on the disk that has the room.
        scratch_variables = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
        command = (
            *(python.executable, "-m", "pip", "install", "--target", str(target)),
            *("--no-user", "--no-input", "--disable-pip-version-check", "--no-warn-conflicts"),
            *("--no-color", "--progress-bar", "off", "--prefer-binary", self._source),
        )
        task.report(_("Looking for packages"))
        status = processes.run(
            command, {**python.variables, **scratch_variables}, scratch, task, read
        )
        if status != 0:
            _logger.warning("pip wrote:\n%s", "\n".join(lines))
            raise problem_of_installation(lines, target)

    def _inspect(self, python: Python, task: Task) -> Inspection:
        inspection = inspect(python, None, task)
        if not OLDEST <= inspection.version <= NEWEST:
            raise ExplainedError(
                _("This Python is {version}; D24FAD runs on {oldest} to {newest}.").format(
                    version=_dotted(inspection.version),
                    oldest=_dotted(OLDEST),
                    newest=_dotted(NEWEST),
                ),
                _("Use Slicer 5.10 or later, or choose another Python in the Setup tab."),
                "python_version",
            )
        return inspection

    def _packages(self, inspection: Inspection) -> Path:
        return self.folder / f"python{_dotted(inspection.version).replace('.', '')}"

    def _mark(self) -> str:
        return json.dumps({"version": VERSION, "source": self._source})

    def _is_complete(self, packages: Path) -> bool:
        try:
            return (packages / _MARK).read_text(encoding="utf-8") == self._mark()
        except OSError:
            return False  # never installed, or removed


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
