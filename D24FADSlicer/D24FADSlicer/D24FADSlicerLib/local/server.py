"""The server on this computer, as a process that ends with Slicer, however Slicer ends."""

from __future__ import annotations

import json
import logging
import queue
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from . import processes
from .environment import Environment

_MODULE = "monailabel_app.local"
_LINES_KEPT = 200
_END_S = 5.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spot:
    """Where clients find a server, also after it was started again.

    Attributes:
        folder: a folder that only this user can read, with the token.
        port: TCP port; 0 for one that is free.
    """

    folder: Path
    port: int = 0

    @property
    def token_file(self) -> Path:
        """The file with the token."""
        return self.folder / "token"


class LocalServer:
    """A server that was started here and answers.

    Args:
        process: its process.
        spot: where it is.
        url: its address.
        last_lines: gets what it writes to its standard error.
    """

    def __init__(
        self, process: subprocess.Popen[str], spot: Spot, url: str, last_lines: deque[str]
    ) -> None:
        self._process = process
        self._last_lines = last_lines
        self.spot = spot
        self.url = url
        self.token = spot.token_file.read_text(encoding="utf-8").strip()

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def problem_of_death(self) -> ExplainedError:
        """What there is to say of a server that has ended by itself."""
        _log(self._last_lines.copy())
        return ExplainedError(
            _("The server on this computer has ended by itself ({how}).").format(
                how=_how(self._process.wait())
            ),
            "",
            "died",
        )

    def stop(self) -> None:
        """End it: politely, and after a few seconds at once."""
        _close_input(self._process)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            processes.end(self._process)
            self._process.wait()
        shutil.rmtree(self.spot.folder, ignore_errors=True)

    def kill(self) -> None:
        """End it at once."""
        processes.end(self._process)
        self.stop()


def start_server(
    environment: Environment, studies: Path, spot: Spot | None, task: Task
) -> LocalServer:
    """Start a server and wait until it answers; for a worker.

    Args:
        environment: what runs it.
        studies: folder of studies.
        spot: where a server was that has died; None for a new one.
        task: for progress and cancelling, which ends the process.

    Raises:
        ExplainedError: it cannot start, by its own account, or ended before it answered.
        CancelledError: the user cancelled.
    """
    task.report(_("Starting the server on this computer"))
    spot = spot or Spot(Path(tempfile.mkdtemp(prefix="d24fad-")))
    options = (
        *("--studies", str(studies), "--token-file", str(spot.token_file)),
        *("--port", str(spot.port), "--end-with-stdin"),
    )
    # Else PyTorch's threads spin while they wait, beside those of Slicer.
    variables = {"GOMP_SPINCOUNT": "10000", **environment.variables}
    process: subprocess.Popen[str] | None = None
    try:
        process = processes.start(
            environment.command(_MODULE, options),
            variables,
            spot.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        running = process
        task.cancellation.on_cancel(lambda: processes.end(running))
        last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
        announcements: queue.SimpleQueue[str] = queue.SimpleQueue()
        for name in ("stdout", "stderr"):
            threading.Thread(
                target=_read, args=(process, name, announcements, last_lines), daemon=True
            ).start()
        line = announcements.get()
        task.cancellation.check()
        if not line:
            raise _problem_of_start(process, last_lines.copy())  # another thread may still write
        announcement = json.loads(line)
        if "problem" in announcement:
            raise _problem_of(announcement["problem"])
        spot = Spot(spot.folder, int(announcement["port"]))
        return LocalServer(process, spot, str(announcement["url"]), last_lines)
    except BaseException:
        if process is not None:
            processes.end(process)
            process.wait()
            _close_input(process)
        shutil.rmtree(spot.folder, ignore_errors=True)
        raise
    finally:
        task.cancellation.on_cancel(None)


def _read(
    process: subprocess.Popen[str],
    name: str,
    announcements: queue.SimpleQueue[str],
    last_lines: deque[str],
) -> None:
    """Read a stream to its end, so that the server never waits for a reader."""
    with getattr(process, name) as stream:
        for line in stream:
            if name == "stdout" and line.startswith("{"):
                announcements.put(line)
            else:
                last_lines.append(line.rstrip())
    if name == "stderr":
        process.wait()
        announcements.put("")  # after its last words


def _close_input(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        try:
            process.stdin.close()
        except OSError:
            return  # it has ended, and its pipe with it


def _problem_of(problem: Mapping[str, object]) -> ExplainedError:
    cause, remedy = str(problem["cause"]), str(problem["remedy"])
    return ExplainedError(cause, remedy, "not_started")


def _problem_of_start(process: subprocess.Popen[str], lines: deque[str]) -> ExplainedError:
    status = process.wait()
    _log(lines)
    last = next((line for line in reversed(lines) if line.strip()), "")
    return ExplainedError(
        _("The server on this computer did not start ({how}): {last}").format(
            how=_how(status), last=last[:300]
        ),
        _("What it wrote is in Slicer's log."),
        "not_started",
    )


def _how(status: int) -> str:
    if status < 0:
        return _("killed by signal {number}").format(number=-status)
    return _("exit status {number}").format(number=status)


def _log(lines: deque[str]) -> None:
    if lines:
        _logger.warning("The D24FAD server on this computer wrote:\n%s", "\n".join(lines))
