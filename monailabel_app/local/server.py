"""The server itself: our own routes on a port of this machine, until somebody ends it."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import uvicorn
from fastapi import FastAPI

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.errors import ConfigurationError
from monailabel_app.api.installation import install_routes, own_routers
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.failures import STATE_FOLDER
from monailabel_app.local.folder_studies import FolderStudies
from monailabel_app.services import build_services
from monailabel_app.studies.leftovers import remove_leftovers
from monailabel_app.studies.serving import claim

HOST = "127.0.0.1"
# Clients wait for a job's news on a connection for up to half a minute.
_GRACE_SECONDS = 3


class LocalServer(uvicorn.Server):
    """Our routes over a folder of studies.

    The folder is this server's alone from the making of it to the end of the process.

    Args:
        studies: folder of studies.
        configuration: the operator's settings, a token among them.
        ready: called once requests are answered.

    Attributes:
        application: the routes.
        services: the parts that they use.

    Raises:
        ConfigurationError: there is no such folder, another server works on it, or there is no
            token.
        CheckpointError: the checkpoint cannot be loaded.
    """

    def __init__(
        self, studies: Path, configuration: ServerConfiguration, ready: Callable[[], None]
    ) -> None:
        if not studies.is_dir():
            raise ConfigurationError(
                f"--studies {studies}: there is no such folder.",
                "Give the one with the studies, or make it first for a server that starts empty.",
            )
        if not configuration.token:
            raise ConfigurationError("A local server needs a token", "give --token-file.")
        state = studies / STATE_FOLDER
        self._lock = claim(state)
        remove_leftovers(studies, state)
        self.services = build_services(configuration, FolderStudies(studies), studies)
        self.application = FastAPI(
            title="D24FAD",
            version=__version__,
            description=RESEARCH_USE_ONLY,
            docs_url=None,  # their scripts would come from the web
            redoc_url=None,
        )
        install_routes(self.application, configuration, own_routers(self.services))
        self._ready = ready
        super().__init__(
            uvicorn.Config(
                self.application,
                log_level="warning",
                access_log=False,  # addresses name images
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer from now on, and say so."""
        await super().startup(sockets)
        self.services.start()
        if not self.should_exit:
            self._ready()

    def end_with(self, stream: IO[bytes]) -> None:
        """End when a stream does, such as the pipe from a parent that may be killed."""

        def watch() -> None:
            while stream.read(1):
                pass
            self.should_exit = True

        threading.Thread(target=watch, name="d24fad-parent", daemon=True).start()


def listen(port: int) -> socket.socket:
    """A socket on a port of this machine only; a free one for 0.

    Raises:
        ConfigurationError: the port is taken.
    """
    listening = socket.socket()
    if os.name == "posix":
        # Else the port of a server that has just ended is taken for a minute. On Windows this would
        # let two programs listen on one port.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigurationError(
            f"--port {port}: it cannot be used ({error}).",
            "Give another one, or 0 for a free one.",
        ) from error
    listening.listen(128)
    return listening
