"""Servers as forks of a process that has imported everything: there in a moment."""

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import uvicorn
from fastapi import FastAPI

from d24fad_core.progress import Progress
from monailabel_app.analysis.results import ResultStore
from monailabel_app.api import job_routes, review_routes, support_set_routes
from monailabel_app.api.error_answers import answer_errors
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.failures import STATE_FOLDER
from monailabel_app.former_reviews import import_former_reviews
from monailabel_app.former_state import import_former_state
from monailabel_app.jobs.job import Job, JobStore
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.queue import JobQueue
from monailabel_app.jobs.resolver import AnalysisResolver
from monailabel_app.monai_label.datastore import StudiesFolder
from monailabel_app.normals.quality import QualityControl
from monailabel_app.normals.support_sets import SupportSets
from monailabel_app.reserved_port import ReservedPort
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.reviewed_masks import ReviewedMasks
from monailabel_app.review.reviews import Reviews
from monailabel_app.server_process import APP_FOLDER
from monailabel_app.store.recovery import open_database
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.study_store import VOLUME_PATTERNS
from monailabel_app.studies.uploads import Uploads

_START_SECONDS = 300.0


def forking() -> ForkServerContext:
    """What makes such processes; they import once for all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["monailabel.app", __name__])
    return context


class ForkedServer:
    """A server on a port of this machine; it ends by kill -9.

    Args:
        context: of `forking`.
        studies: folder of studies, or the address of a PACS.
        log: file for what it says.
        serve: what the fork does with studies, port and log: `whole_server` or `routes_alone`.
    """

    def __init__(
        self,
        context: ForkServerContext,
        studies: Path | str,
        log: Path,
        serve: Callable[[str, int, str], None],
    ) -> None:
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._process: ForkServerProcess = context.Process(
            target=serve, args=(str(studies), self.port, str(log)), daemon=True
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

    @property
    def process_id(self) -> int:
        """The server's process id; 0 before it was started."""
        return self._process.pid or 0

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        self._reserved.release()


def forked_server(
    studies: Path, log: Path, environment: Mapping[str, str] | None = None
) -> ForkedServer:
    """A whole server; the first of a process takes as long as `ServerProcess`, others a moment.

    Args:
        studies: folder of studies.
        log: file for what it says.
        environment: further environment variables.
    """
    return ForkedServer(forking(), studies, log, partial(whole_server, environment=environment))


def whole_server(
    studies: str,
    port: int,
    log: str,
    conf: Mapping[str, str] | None = None,
    cache: str = "",
    environment: Mapping[str, str] | None = None,
) -> None:
    """MONAI Label with this app, as `monailabel start_server` has it.

    Args:
        studies: folder of studies, or the address of a PACS.
        port: where it listens.
        log: file for what it says.
        conf: the operator's settings.
        cache: folder for the series of a PACS.
        environment: further environment variables.
    """
    import monailabel.app
    from monailabel.config import settings

    _say_into(log)
    use_environment(environment or {})
    settings.MONAI_LABEL_APP_DIR = str(APP_FOLDER)
    settings.MONAI_LABEL_STUDIES = studies
    own = {"queue_length": "1000", "comparison": "window"}  # the window takes the least time
    settings.MONAI_LABEL_APP_CONF = {**own, **(conf or {})}
    settings.MONAI_LABEL_DICOMWEB_CACHE_PATH = cache
    settings.MONAI_LABEL_AUTO_UPDATE_SCORING = False
    uvicorn.run(monailabel.app.app, host="127.0.0.1", port=port, log_level="warning")


def use_environment(environment: Mapping[str, str]) -> None:
    """Set variables of this process; temporary files go where they say."""
    os.environ.update(environment)
    tempfile.tempdir = None  # remembered by the process that this is a fork of


def routes_alone(studies: str, port: int, log: str) -> None:
    """The real routes of jobs, reviews and sets over the real stores; jobs compute nothing."""
    _say_into(log)
    state = Path(studies) / STATE_FOLDER
    database = open_database(state / "state.sqlite3")
    import_former_state(state, database)
    datastore = StudiesFolder(studies, extensions=VOLUME_PATTERNS, auto_reload=False)
    images = ImageCatalogue(datastore, FileHashes(database), Uploads(database))
    sets = SupportSets(database, images, ("support*",))
    results = ResultStore(state / "results", database)
    reviews = ReviewLog(database)
    import_former_reviews(state, database, results.records(), reviews)
    analyses: Any = SimpleNamespace(
        find=lambda analysis: None, detector=SimpleNamespace(checkpoint_hash="")
    )
    jobs = JobQueue(JobStore(database), 1000)
    jobs.start(dict.fromkeys(JobKind, _compute_nothing))
    parts: Any = SimpleNamespace(
        configuration=ServerConfiguration(),
        images=images,
        support_sets=sets,
        results=results,
        reviews=Reviews(
            reviews,
            ReviewedMasks(state / "reviews" / "masks"),
            results,
            datastore,
            lambda image: images.content_hash(images.study(image)),
        ),
        analyses=analyses,
        resolve=AnalysisResolver(images, sets),
        quality=QualityControl(database, sets, images, analyses),
        jobs=jobs,
    )
    server = FastAPI()
    for routes in (job_routes, review_routes, support_set_routes):
        server.include_router(routes.router(parts))
    answer_errors(server)
    uvicorn.run(server, host="127.0.0.1", port=port, log_level="warning")


def _compute_nothing(job: Job, progress: Progress) -> str | None:
    for step in range(5):
        progress("waiting", step / 5)
        time.sleep(0.01)
    return None


def _say_into(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
