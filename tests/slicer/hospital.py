"""A hospital for the panel: the real server as a process, a real PACS, and lines that fail."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import requests
from D24FADSlicerLib.client.api import Client
from D24FADSlicerLib.logic.jobs import Task
from D24FADSlicerLib.logic.messages import ExplainedError
from D24FADSlicerLib.logic.volume_file import VolumeData
from lines import Cable, Proxy

from tests.app.api.forked_server import ForkedServer, whole_server
from tests.app.orthanc import Orthanc

API = "/d24fad/v1"
PATIENCE_S = 600.0
Place = tuple[int, int, int]


class Hospital:
    """What the panel works with.

    Args:
        context: forks the server, so that a new one is there in a moment.
        orthanc: the PACS.
        folder: for what the server keeps.
        supports: series of the normal studies.

    Attributes:
        line: what the panel connects to; it leads to the server.
        pacs_line: leads from the server to the PACS.
    """

    def __init__(
        self, context: ForkServerContext, orthanc: Orthanc, folder: Path, supports: list[str]
    ) -> None:
        self.orthanc = orthanc
        self.line = Proxy()
        self.pacs_line = Cable(orthanc.port)
        self._context = context
        self._log = folder / "server.log"
        self._cache, self._template = folder / "cache", folder / "template"
        self._conf = {"support": ",".join(supports)}
        self._server: ForkedServer | None = None

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        server = ForkedServer(
            self._context,
            f"{self.pacs_line.url}/dicom-web",
            self._log,
            partial(whole_server, conf=self._conf, cache=str(self._cache)),
        )
        self._server = server.__enter__()
        self.line.target = server.port

    def remember(self) -> None:
        """Stop, and keep what the server and the PACS hold now for `begin`."""
        self.kill()
        shutil.copytree(self._cache, self._template)

    def begin(self) -> None:
        """Start anew from what was remembered; what the PACS got since is gone."""
        self.kill()
        shutil.rmtree(self._cache)
        shutil.copytree(self._template, self._cache)
        for modality in ("SEG", "SR"):
            self.orthanc.remove(modality)
        self.line.answers.clear()
        self.start()

    def kill(self) -> None:
        """End the server in the middle of whatever it does."""
        if self._server is not None:
            self.line.target = None
            self._server.kill()
            self._server = None

    def close(self) -> None:
        """End everything but the PACS."""
        self.kill()
        self.line.close()
        self.pacs_line.close()

    @property
    def runs(self) -> bool:
        """Whether there is a server."""
        return self._server is not None

    def get(self, path: str) -> requests.Response:
        """What the server says, by a line without faults."""
        assert self._server is not None
        answer = requests.get(f"{self._server.url}{API}{path}", timeout=PATIENCE_S)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer

    def detect(self, image: str, **options: Any) -> str:
        """Analyse an image as the panel does; returns the result."""
        assert self._server is not None
        client, task = Client(self._server.url), new_task()
        options = {"planes": ["axial"], "ct_window": client.info().ct_windows[0], **options}
        return client.detect(image, "default", None, options, task).result

    def segmentations(self) -> list[pydicom.Dataset]:
        """The segmentations that the PACS holds."""
        return [pydicom.dcmread(BytesIO(content)) for content in self.orthanc.instances("SEG")]

    def colleague(self) -> Colleague:
        """Another reviewer, who works on a line without faults."""
        assert self._server is not None
        return Colleague(Client(self._server.url))


class Colleague:
    """Another reviewer at another computer.

    Args:
        client: speaks with the server.
    """

    NAME = "EF"

    def __init__(self, client: Client) -> None:
        self._client = client

    def writes(self, result: str, action: str, finding: int, text: str) -> None:
        """Decide, write a remark, take back the latest event, or store the final label.

        What the server refuses is not written.
        """
        event: dict[str, Any] = {"action": action, "reviewer": self.NAME, "finding": finding}
        if action == "note":
            event["note"] = text
        if action == "undo":
            del event["finding"]
        with _refusals():
            if action == "final":
                self._stores(result, text)
            else:
                self._client._post(f"/results/{result}/review/events", event, new_task())

    def draws(self, result: str, finding: int | None, place: Place) -> None:
        """Send an outline of a finding, or of a region of their own: a box of 3 x 3 x 1 voxels."""
        task = new_task()
        with _refusals():
            labels = self._client.finding_labels(result, task)
            inside = labels.array == finding if finding else np.zeros(labels.array.shape)
            array = np.ascontiguousarray(inside, np.uint8)
            k, j, i = place
            array[k, j : j + 3, i : i + 3] = 1
            digest = self._client.send_mask(result, VolumeData(array, labels.affine), task)
            event = {
                "action": "edit" if finding else "add",
                "reviewer": self.NAME,
                "finding": finding,
                "mask": digest,
            }
            self._client._post(f"/results/{result}/review/events", event, task)

    def _stores(self, result: str, note: str) -> None:
        task = new_task()
        review = self._client.review(result, task)
        for finding, found in review.findings:
            if found.state.value == "open":
                self.writes(result, "reject", finding, "")
        review = self._client.review(result, task)
        body = {
            "reviewer": self.NAME,
            "note": note,
            "expected_version": review.version,
            "key": "",
        }
        path = f"{API}/results/{result}/review/final"
        self._client._slow.document("PUT", path, task.cancellation, body, limit_s=PATIENCE_S)


@contextmanager
def _refusals() -> Iterator[None]:
    """What the server refuses, or is not there to hear, is not written."""
    try:
        yield
    except ExplainedError as problem:
        expected = ("bad_request", "unknown_finding", "review_changed", "findings_open")
        if problem.code not in expected and not problem.server_is_away:
            raise


def new_task() -> Task:
    """A task that reports to nobody."""
    return Task(1, queue.SimpleQueue())
