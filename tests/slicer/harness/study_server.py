"""The real server for the panel's tests, in this process, behind a line that can fail.

Routes, queue, results, reviews, support sets and worklist are those of `monailabel_app`, over a
folder of the test's own. Its detector sees brightness (`harness.brightness`), so that a test knows
what will be found.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nibabel
import numpy as np
import requests
import uvicorn
from D24FADSlicerLib.logic.volume_file import VolumeData, read_nifti, write_nifti
from fastapi import FastAPI
from lines import Proxy
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from d24fad_core.detection.detector import Detector
from d24fad_core.progress import Progress
from harness.brightness import BrightnessDetector
from monailabel_app.api.installation import install_routes, own_routers
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.jobs.job import Job
from monailabel_app.jobs.kind import JobKind
from monailabel_app.jobs.queue import Runner
from monailabel_app.local.folder_studies import FolderStudies
from monailabel_app.local.server import listen
from monailabel_app.normals.support_sets import Member
from monailabel_app.services import Services, build_services

API = "/d24fad/v1"
_FRACTION_A_REPORT = 0.002
_REPORT_S = 0.02


class Routes:
    """The routes on a port, once for many tests: of whatever server is there at the moment.

    Args:
        configuration: the operator's settings.

    Attributes:
        port: where they are.
        configuration: see above.
    """

    def __init__(self, configuration: ServerConfiguration | None = None) -> None:
        settings = configuration or ServerConfiguration()
        self.configuration = replace(settings, support="normal_0,normal_1")
        self._services: Services | None = None
        self._socket = listen(0)
        self.port = int(self._socket.getsockname()[1])
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __getattr__(self, name: str) -> Any:
        """A part of the server that is there."""
        return getattr(self._services, name)

    def serve(self, services: Services) -> None:
        """Answer for this server from now on."""
        self._services = services
        if self._server is not None:
            return
        application = FastAPI()
        parts: Any = self
        install_routes(application, self.configuration, own_routers(parts))
        settings = uvicorn.Config(
            application, log_level="warning", access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="routes", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._socket.close()


class PacsStudies(FolderStudies):
    """Studies as from a PACS: named by titles, and nobody can send one.

    Attributes:
        titles: by image id.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.titles: dict[str, str] = {}

    def series_folder(self, image_id: str) -> Path:
        """Where a series lies."""
        return Path(self.get_image_uri(image_id))

    def title(self, image_id: str) -> str:
        """What people call it."""
        return self.titles.get(image_id, image_id)

    def store(self, objects: Sequence[Dataset]) -> None:
        """Nothing comes here: the images of the tests are no DICOM series."""
        raise NotImplementedError


class StudyServer:
    """A server over a folder; use it as a context manager.

    Args:
        routes: where it answers.
        folder: of its studies, and of all that it keeps.
        from_pacs: whether it says that its studies come from a PACS.

    Attributes:
        line: between the panel and the server; tests cut it and put faults on it.
        address: of the line.
        port: of the routes, past the line.
        services: the parts of the server.
        datastore: where studies and labels lie.
        detector: what sees brightness.
        pacs_answer: what the PACS makes of a final label; None leaves it to the server.
    """

    def __init__(self, routes: Routes, folder: Path, *, from_pacs: bool = False) -> None:
        self._routes = routes
        self._folder = folder
        self.datastore = PacsStudies(folder) if from_pacs else FolderStudies(folder)
        self.line = Proxy()
        self.port = self.line.target = routes.port
        self.address = self.line.url
        self.services: Services
        self.detector = BrightnessDetector.shared()
        self.detector.nearest = {}
        self.pacs_answer: dict[str, Any] | None = None
        self._going_on = threading.Event()
        self._going_on.set()
        self._dead = threading.Event()

    def __enter__(self) -> StudyServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.line.close()

    def start(self) -> None:
        """Answer; after a death with what lies in the folder, as another process would."""
        self._dead = threading.Event()
        with patch.object(Detector, "from_checkpoint", _brightness_detector):
            built = build_services(self._routes.configuration, self.datastore, self._folder)
        runners = {
            kind: self._waiting(runner, self._dead) if kind is JobKind.DETECT else runner
            for kind, runner in built.runners.items()
        }
        publishing: Any = _Publishing(built.dicom_results, self)
        self.services = replace(built, runners=runners, dicom_results=publishing)
        # All of `Services.start` but the collection of garbage, which takes half a second.
        self.services.reviews.copy_labels()
        self.services.jobs.start(runners)
        self._routes.serve(self.services)
        self.line.up()

    def stop(self) -> None:
        """Die: connections break, and what was under way is never finished."""
        self._dead.set()
        self.line.down()

    def hold_analyses(self) -> None:
        """Let every analysis take until `finish_analyses`."""
        self._going_on.clear()

    def finish_analyses(self) -> None:
        """Let analyses end."""
        self._going_on.set()

    def _waiting(self, runner: Runner, dead: threading.Event) -> Runner:
        def run(job: Job, progress: Progress) -> str | None:
            fraction = 0.0
            while not self._going_on.wait(_REPORT_S) or dead.is_set():
                if dead.is_set():
                    threading.Event().wait()  # nothing that is dead goes on
                fraction = min(fraction + _FRACTION_A_REPORT, 0.9)
                progress("Scoring slices", fraction)
            return runner(job, progress)

        return run

    @property
    def calls(self) -> list[str]:
        """Method and path of every request so far."""
        return list(self.line.calls)

    @property
    def results(self) -> list[str]:
        """Ids of the results, newest first."""
        return [record.id for record in self.services.results.records()]

    @property
    def detections(self) -> list[str]:
        """States of the analyses, newest first."""
        jobs = self.services.jobs.all()
        return [job.state.value for job in jobs if job.kind is JobKind.DETECT]

    def until_over(self) -> None:
        """Wait until no job runs or waits."""
        while any(not job.state.finished for job in self.services.jobs.all()):
            time.sleep(_REPORT_S)

    @property
    def events(self) -> dict[str, list[dict[str, Any]]]:
        """The events of every review, by result."""
        reviews = {result: self.review(result) for result in self.results}
        return {result: review["events"] for result, review in reviews.items() if review["events"]}

    @property
    def masks(self) -> list[VolumeData]:
        """The outlines that reviewers sent, in order."""
        return [
            read_nifti(self.services.reviews.masks.get(event["mask"]))
            for events in self.events.values()
            for event in events
            if event["action"] in ("edit", "add")
        ]

    def final(self, image: str) -> NDArray[np.uint8] | None:
        """The final label of an image, shape (k, j, i); None where there is none."""
        path = self.datastore.label_file(image, "final")
        return None if path is None else np.asanyarray(nibabel.load(path).dataobj).transpose()

    def members(self, name: str = "default") -> list[str]:
        """The images of a support set."""
        return list(self.services.support_sets.get(name).images)

    def study_members(self, name: str) -> list[Member]:
        """The studies of a support set."""
        return list(self.services.support_sets.get(name).members)

    def review(self, result: str) -> Any:
        """A review as the routes tell it."""
        return self.ask("GET", f"/results/{result}/review")

    def act(self, result: str, action: str, **more: Any) -> None:
        """Append an event of somebody else's."""
        body = {"action": action, "reviewer": "CD", **more}
        self.ask("POST", f"/results/{result}/review/events", json=body)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """One request, past the line; the JSON of its answer."""
        url = f"http://127.0.0.1:{self.port}{API}{path}"
        token = self._routes.configuration.token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(method, url, timeout=600, headers=headers, **options)
        assert answer.ok, answer.text
        return answer.json()

    def add_image(self, name: str, volume: VolumeData) -> None:
        """Put an image among the studies."""
        write_nifti(self._folder / f"{name}.nii.gz", volume)

    def add_support(self, name: str, image: str) -> None:
        """Put an image into a support set, which is made where there is none."""
        if name not in self.services.support_sets.names():
            self.ask("POST", "/support-sets", json={"name": name, "title": name.capitalize()})
        self.ask("POST", f"/support-sets/{name}/studies", json={"image": image})


def _brightness_detector(*_: Any, **__: Any) -> BrightnessDetector:
    return BrightnessDetector.shared()


class _Publishing:
    """DICOM as the server writes it; what the PACS says of a final label is up to a test."""

    def __init__(self, real: Any, server: StudyServer) -> None:
        self._real, self._server = real, server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def publish_final(self, *arguments: Any) -> dict[str, Any] | None:
        """What clients are told of it."""
        told = self._server.pacs_answer
        return self._real.publish_final(*arguments) if told is None else told
