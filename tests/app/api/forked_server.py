"""The real server as a fork of a process that has imported everything: there in a second."""

import multiprocessing
import os
import signal
import socket
import sys
import time
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import TracebackType

from monailabel_app.server_process import APP_FOLDER

_START_SECONDS = 300.0


def forking() -> ForkServerContext:
    """What makes such processes; they import once for all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["monailabel.app", "monailabel_app.main"])
    return context


class ForkedServer:
    """MONAI Label with this app, all of its routes, on a port of this machine; it ends by kill -9.

    Args:
        context: of `forking`.
        studies: folder of studies.
        log: file for what it says.
    """

    def __init__(self, context: ForkServerContext, studies: Path, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._process: ForkServerProcess = context.Process(
            target=_serve, args=(str(studies), self.port, str(log)), daemon=True
        )

    def __enter__(self) -> "ForkedServer":
        self._process.start()
        end = time.monotonic() + _START_SECONDS
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            if not self._process.is_alive() or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"it did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()


def _serve(studies: str, port: int, log: str) -> None:
    import monailabel.app
    import uvicorn
    from monailabel.config import settings

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    settings.MONAI_LABEL_APP_DIR = str(APP_FOLDER)
    settings.MONAI_LABEL_STUDIES = studies
    settings.MONAI_LABEL_APP_CONF = {"queue_length": "1000"}
    settings.MONAI_LABEL_AUTO_UPDATE_SCORING = False
    uvicorn.run(monailabel.app.app, host="127.0.0.1", port=port, log_level="warning")
