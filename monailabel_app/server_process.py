"""Running the server as a process of its own, as the demo and the tests do."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType

from d24fad_core.errors import D24FADError
from d24fad_core.waiting_threads import brief_spinning
from monailabel_app.reserved_port import ReservedPort

APP_FOLDER = Path(__file__).parent
_STOP_SECONDS = 60.0
# MONAI Label makes those that are absent; of two servers that start at once, one would fail.
_APP_SUBFOLDERS = ("model", "lib", "logs", "bin")


class ServerError(D24FADError):
    """The server did not start; the message has the end of its log."""


class ServerProcess:
    """A MONAI Label server with this app, on this machine only, stopped on leaving the block.

    Args:
        studies: folder of studies, or the address of a DICOMweb service.
        log: file for what the server says.
        conf: the operator's settings (`--conf NAME VALUE`).
        environment: further environment variables.
        start_seconds: how long it may take to start.
        port: where to listen; when left out, a free one that nobody else gets until `stop`.
    """

    def __init__(
        self,
        studies: Path | str,
        log: Path,
        conf: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        start_seconds: float = 600.0,
        port: int | None = None,
    ) -> None:
        self._reserved = ReservedPort() if port is None else None
        self.port = self._reserved.number if self._reserved is not None else port
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._start_seconds = start_seconds
        self._environment = {
            **os.environ,
            **brief_spinning(os.environ),
            # `monailabel` is a shell script that runs the first `python` on the path.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            # Stock scoring would start one more Python at every start; there is nothing to score.
            "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",
            **(environment or {}),
        }
        settings = [
            part for name, value in (conf or {}).items() for part in ("--conf", name, value)
        ]
        self.command = [
            "monailabel",
            "start_server",
            *("--app", _shortest(APP_FOLDER)),
            *("--studies", _shortest(studies) if isinstance(studies, Path) else studies),
            *("--host", "127.0.0.1"),
            *("--port", str(self.port)),
            *settings,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, waiting: Callable[[float], None] = lambda seconds: None) -> None:
        """Start it and wait until it answers.

        Args:
            waiting: told about the seconds waited so far, a few times a second.

        Raises:
            ServerError: it ended, or did not answer in time.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        for name in _APP_SUBFOLDERS:
            (APP_FOLDER / name).mkdir(exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                # Its own group, so that Ctrl-C reaches us first and we end it in order.
                start_new_session=True,
            )
        begin = time.monotonic()
        try:
            while not self._answers():
                waited = time.monotonic() - begin
                if self._process.poll() is not None:
                    raise ServerError(
                        f"The server ended with status {self._process.returncode} while starting",
                        f"see the end of its log {self.log}:\n{self.last_lines()}",
                    )
                if waited > self._start_seconds:
                    raise ServerError(
                        f"The server did not answer within {self._start_seconds:.0f} s",
                        f"see the end of its log {self.log}:\n{self.last_lines()}",
                    )
                waiting(waited)
                time.sleep(0.25)
        except BaseException:
            self.stop()
            raise

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; with SIGKILL when it does not follow."""
        if self._reserved is not None:
            self._reserved.release()
        process = self._process
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def process_id(self) -> int:
        """The server's process id.

        Raises:
            ServerError: it was not started.
        """
        if self._process is None:
            raise ServerError("The server was not started", "call start() first.")
        return self._process.pid

    def last_lines(self, count: int = 20) -> str:
        """The end of the log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-count:])

    def __enter__(self) -> "ServerProcess":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/info/", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            return error.code == HTTPStatus.UNAUTHORIZED  # it runs, and wants the token
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def _shortest(path: Path) -> str:
    """The path as seen from here: MONAI Label's script takes none with a space in it."""
    resolved = path.resolve()
    here = Path.cwd()
    return str(resolved.relative_to(here) if resolved.is_relative_to(here) else resolved)
