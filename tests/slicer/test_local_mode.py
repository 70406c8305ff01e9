"""The client of the panel against the server without MONAI Label, as a process of its own."""

from __future__ import annotations

import json
import os
import queue
import select
import shutil
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from D24FADSlicerLib.client.api import Client
from D24FADSlicerLib.logic.jobs import Task
from D24FADSlicerLib.logic.messages import ExplainedError
from D24FADSlicerLib.logic.review import Review
from D24FADSlicerLib.logic.review_events import Action
from D24FADSlicerLib.logic.volume_file import read_nifti
from places import MODULE, ROOT

pytestmark = [pytest.mark.server, pytest.mark.slow]

SAMPLES = MODULE / "Resources" / "SampleData"
START_SECONDS = 300.0
# What is no part of the extra `local`; asking for it is written down, also where it is caught.
ABSENT = ("monailabel", "monai", "ignite", "fastapi_offline", "torchvision")
WITHOUT = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            print("asked for", name, file=sys.stderr, flush=True)
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import typer
from monailabel_app.local.__main__ import serve
typer.run(serve)
"""


class LocalProcess:
    """A local server that ends with this process, or before."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.studies, self.token_file = folder / "studies", folder / "token"
        self.log = folder / f"server-{len(list(folder.glob('server-*')))}.log"
        command = [
            *(sys.executable, "-c", WITHOUT),
            *("--studies", str(self.studies), "--token-file", str(self.token_file)),
            *("--end-with-stdin", *options),
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def ready(self) -> dict[str, Any]:
        """Wait for the line that says where it is."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], START_SECONDS)[0], self.said()
        line = self.process.stdout.readline()
        assert line, self.said()
        return dict(json.loads(line))

    def client(self, url: str) -> Client:
        return Client(url, self.token_file.read_text().strip(), patience_s=2.0)

    def said(self) -> str:
        return self.log.read_text()

    def end(self) -> int:
        """Close its standard input, as the end of its parent does; its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(START_SECONDS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    studies = tmp_path / "studies"
    studies.mkdir()
    for number, path in enumerate(sorted(SAMPLES.glob("SimulatedNormalHead*.nii.gz")), start=1):
        shutil.copy(path, studies / f"support-{number:03}.nii.gz")
    return tmp_path


@pytest.fixture
def started(folder: Path) -> Iterator[LocalProcess]:
    process = LocalProcess(folder)
    yield process
    if process.process.poll() is None:
        process.process.kill()
        process.process.wait()


def new_task() -> Task:
    return Task(1, queue.SimpleQueue())


def test_a_case_is_reviewed_without_monai_label(started: LocalProcess, folder: Path) -> None:
    """Start, refuse strangers and a second server, analyse, review, stop, start, be killed."""
    where = started.ready()
    assert where["url"] == f"http://127.0.0.1:{where['port']}"
    assert where["process"] == started.process.pid
    assert stat.S_IMODE(started.token_file.stat().st_mode) == 0o600
    with pytest.raises(urllib.error.HTTPError) as stranger:
        urllib.request.urlopen(f"{where['url']}/d24fad/v1/images", timeout=120)
    assert stranger.value.code == 401
    with pytest.raises(ExplainedError) as mistaken:
        Client(where["url"], "another").info()
    assert mistaken.value.code == "unauthorised"

    second = LocalProcess(folder)
    assert second.process.wait(START_SECONDS) == 2
    assert f"is served already, by process {started.process.pid}" in second.said()
    assert "Traceback" not in second.said()

    client, task = started.client(where["url"]), new_task()
    info = client.info()
    assert info.studies == "folder" and info.uploads
    support = client.support_set(info.default_support_set, task)
    assert len(support.studies) == 3
    image, _ = client.upload(read_nifti(SAMPLES / "SimulatedHead.nii.gz"), "case", task)
    options = {"planes": ["axial"], "threshold": 2.0}
    analysis = client.detect(image, support.name, None, options, task)
    assert {share.name for share in analysis.shares} == {study.image for study in support.studies}
    assert client.heatmap(analysis.result, task).array.max() > 0
    ranks = [finding.rank for finding in analysis.findings]
    assert ranks
    review = Review(client.review(analysis.result, task))
    for rank in ranks:
        review = review.append(Action.ACCEPT, rank, "AB")
    review = client.send_events(analysis.result, review, task).review
    client.store_final(analysis.result, review, "AB", "", task)
    states = {entry.image: entry.state for entry in client.images(None, task)}
    assert states[image] == "reviewed"
    assert (folder / "studies" / "labels" / "final" / f"{image}.nii.gz").is_file()

    assert started.end() == 0
    assert "asked for" not in started.said()
    with pytest.raises(ExplainedError) as away:
        client.images(None, task)
    assert away.value.code == "refused" and away.value.remedy

    again = LocalProcess(folder, "--port", str(where["port"]))
    try:
        assert again.ready()["port"] == where["port"]
        latest = client.latest_result(image, task)
        assert latest is not None and latest.result == analysis.result
        os.kill(again.process.pid, signal.SIGKILL)
        again.process.wait()
        with pytest.raises(ExplainedError) as killed:
            client.detect(image, support.name, None, {"planes": ["coronal"]}, task)
        assert killed.value.cause and killed.value.remedy
    finally:
        again.process.kill()
        again.process.wait()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--studies", "nowhere"), "there is no such folder"),
        (("--checkpoint", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    folder: Path, options: tuple[str, ...], words: str
) -> None:
    process = LocalProcess(folder, *options)
    assert process.process.wait(START_SECONDS) == 2
    said = process.said()
    assert words in said and "error:" in said and "Traceback" not in said
    assert process.process.stdout is not None
    problem = json.loads(process.process.stdout.read())["problem"]
    assert words in problem["cause"] and problem["remedy"]
