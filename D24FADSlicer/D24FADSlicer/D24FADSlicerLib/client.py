"""The D24FAD server as the panel uses it; all knowledge of its HTTP interface is here.

The interface is described in `docs/http-api.md`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from .findings import Analysis
from .jobs import Cancellation, Task
from .matching import Matches
from .messages import CancelledError, ExplainedError
from .records import (
    CaseCalibration,
    FinalLabel,
    ImageEntry,
    JobState,
    NextCase,
    ServerInfo,
    SupportSet,
    items,
    malformed,
)
from .review import Action, Event, Review
from .transport import Transport
from .volume_file import VolumeData, read_nifti, write_nifti

_ROOT = "/d24fad/v1"
_POLL_S = 2
_PATIENCE_S = 60.0
_ABANDON_S = 120
_SLOW_S = 300.0
STRATEGIES = ("most_anomalous", "most_uncertain", "unreviewed")


class Client:
    """Calls of the server; each may be made from any thread.

    Args:
        address: the server's address as the user typed it.
        token: access token; empty for none.
        silence_s: longest wait for the next bytes of an answer.
        patience_s: how long a running analysis survives a server that is away.

    Raises:
        ExplainedError: the address is none.
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        silence_s: float = 30.0,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._http = Transport(address, token, silence_s=silence_s)
        # For the few answers that the server works on before it sends their first byte.
        self._slow = Transport(address, token, silence_s=_SLOW_S)
        self._patience_s = patience_s

    @property
    def address(self) -> str:
        """The address as the user typed it."""
        return self._http.address.typed

    def info(self, cancellation: Cancellation | None = None) -> ServerInfo:
        """Test the connection.

        Raises:
            ExplainedError: nobody answers, or somebody else, or another version; says what to do.
        """
        try:
            return ServerInfo.read(self._get("/", cancellation, limit_s=10.0))
        except ExplainedError as problem:
            if problem.code in ("not_found", "unknown_route"):
                raise self._who_else(cancellation) or problem from problem
            raise

    def _who_else(self, cancellation: Cancellation | None) -> ExplainedError | None:
        """Whether it is a MONAI Label server with another app."""
        try:
            other = self._http.document("GET", "/info/", cancellation, limit_s=10.0)
        except ExplainedError:
            return None
        name = other.get("name")
        return name and ExplainedError(
            f"A MONAI Label server with another app answers there ('{name}').",
            "Start it with --app monailabel_app of D24FAD.",
            "wrong_app",
        )

    def images(self, support_set: str | None = None, task: Task | None = None) -> list[ImageEntry]:
        """Every image on the server with its review state."""
        query = _query(support_set=support_set)
        listed = self._get(f"/images{query}", _of(task))
        return [ImageEntry.read(entry) for entry in items(listed)]

    def support_sets(self, task: Task | None = None) -> list[SupportSet]:
        """Every support set, without the quality of its studies."""
        return [SupportSet.read(entry) for entry in items(self._get("/support-sets", _of(task)))]

    def support_set(self, name: str, task: Task | None = None) -> SupportSet:
        """One support set with the quality of its studies."""
        return SupportSet.read(self._get(f"/support-sets/{_name(name)}", _of(task)))

    def create_support_set(
        self, name: str, title: str, studies: Sequence[str], reviewer: str, task: Task
    ) -> SupportSet:
        """Make a named support set of images on the server."""
        body = {"name": name, "title": title, "studies": list(studies), "reviewer": reviewer}
        return SupportSet.read(self._post("/support-sets", body, task))

    def add_support(
        self,
        name: str,
        image: str,
        reviewer: str,
        task: Task,
        *,
        confirmed_normal: bool = False,
        note: str = "",
    ) -> SupportSet:
        """Add an image to a support set; confirmed as normal, it also joins the calibration."""
        body = {
            "image": image,
            "reviewer": reviewer,
            "note": note,
            "confirmed_normal": confirmed_normal,
            "rescore": confirmed_normal,
        }
        return SupportSet.read(self._post(f"/support-sets/{_name(name)}/studies", body, task))

    def remove_support(self, name: str, image: str, task: Task) -> SupportSet:
        """Take an image out of a support set; the image stays on the server."""
        path = f"/support-sets/{_name(name)}/studies/{_name(image)}"
        return SupportSet.read(self._http.document("DELETE", _ROOT + path, task.cancellation))

    def check_quality(self, name: str, task: Task) -> SupportSet:
        """Let the server compare the studies of a set with one another; waits for it."""
        started = JobState.read(self._post(f"/support-sets/{_name(name)}/quality", {}, task))
        try:
            finished = self._follow(started, task)
        except CancelledError:
            self.cancel_job(started.job)
            raise
        if finished.problem is not None:
            raise finished.problem
        return self.support_set(name, task)

    def calibration(self, support_set: str, task: Task) -> CaseCalibration:
        """How often normal cases reach a score with a support set."""
        query = _query(support_set=support_set)
        return CaseCalibration.read(self._get(f"/calibration{query}", task.cancellation))

    def next_case(
        self, strategy: str, support_set: str, exclude: Sequence[str], task: Task
    ) -> NextCase:
        """The case to look at next.

        Raises:
            ExplainedError: with code `nothing_left` when every case has been reviewed.
        """
        query = _query(strategy=strategy, support_set=support_set, exclude=list(exclude))
        return NextCase.read(self._get(f"/next{query}", task.cancellation))

    def fetch_image(self, image: str, task: Task) -> VolumeData:
        """Download an image."""
        path = f"/images/{_name(image)}/file?format=nifti"
        return self._fetch(path, f"Downloading {image}", task)

    def upload(self, volume: VolumeData, name: str, task: Task) -> tuple[str, str]:
        """Make sure that the server has a volume; one it has already is not sent again.

        Args:
            volume: the voxels.
            name: what to call it, without ending; characters the server refuses are replaced.
            task: for progress and cancelling.

        Returns:
            The image's id on the server and the SHA-256 of the file.
        """
        task.report("Preparing the volume")
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            file = Path(folder) / "volume.nii.gz"
            digest = write_nifti(file, volume)
            task.cancellation.check()
            known = self.known_upload(digest, task)
            if known is not None:
                return known, digest
            return self._send_new(file, digest, _plain_name(name), task), digest

    def known_upload(self, digest: str, task: Task) -> str | None:
        """The id of the image with this content, or None."""
        try:
            return str(self._get(f"/uploads/{digest}", task.cancellation)["image"])
        except ExplainedError as problem:
            if problem.code != "unknown_upload":
                raise
            return None
        except KeyError:
            raise malformed("an upload has no 'image'") from None

    def _send_new(self, file: Path, digest: str, name: str, task: Task) -> str:
        def moved(sent: int, total: int) -> None:
            task.report(f"Uploading {sent / 1e6:.0f} of {total / 1e6:.0f} MB", sent / max(total, 1))

        for chosen in (name, f"{name[:50]}-{digest[:12]}"):
            query = _query(name=f"{chosen}.nii.gz")
            try:
                path = f"{_ROOT}/uploads/{digest}{query}"
                return str(self._http.upload(path, file, task.cancellation, moved)["image"])
            except ExplainedError as problem:
                if problem.code != "already_exists" or chosen != name:
                    raise
        raise malformed("an upload was refused twice")

    def start_detection(
        self,
        image: str,
        support_set: str | None,
        support: Sequence[str] | None,
        options: dict[str, Any],
        task: Task,
    ) -> JobState:
        """Queue an analysis.

        Args:
            image: the image to analyse.
            support_set: a named set; None for the studies in `support`.
            support: ids of the normal studies; None for the set.
            options: planes, ct_window, threshold and so on; those left out have their defaults.
            task: for cancelling.
        """
        body: dict[str, Any] = {"kind": "detect", "image": image, "options": options}
        body["abandon_after_s"] = _ABANDON_S
        if support is not None:
            body["support"] = list(support)
        elif support_set is not None:
            body["support_set"] = support_set
        return JobState.read(self._post("/jobs", body, task))

    def detect(
        self,
        image: str,
        support_set: str | None,
        support: Sequence[str] | None,
        options: dict[str, Any],
        task: Task,
    ) -> Analysis:
        """Analyse an image and wait for it; a server that is away for a while is waited for.

        Raises:
            ExplainedError: it failed, was cancelled on the server, or the server stays away.
            CancelledError: the user cancelled; the server's job is cancelled too.
        """
        task.report("Asking the server")
        state = self.start_detection(image, support_set, support, options, task)
        try:
            state = self._follow(state, task)
        except CancelledError:
            self.cancel_job(state.job)
            raise
        if state.problem is not None:
            raise state.problem
        if state.state != "done" or state.result is None:
            raise ExplainedError(
                "The analysis was cancelled on the server.", "Run it again.", "cancelled"
            )
        return self.result(state.result, task)

    def _follow(self, state: JobState, task: Task) -> JobState:
        away_since: float | None = None
        while not state.finished:
            if state.state == "queued" and state.queue_position:
                task.report(f"Waiting behind {state.queue_position} other analyses", 0.0)
            else:
                task.report(state.step or "Analysing", state.fraction)
            query = _query(wait=_POLL_S, after=state.version)
            try:
                found = self._get(f"/jobs/{_name(state.job)}{query}", task.cancellation)
                state = JobState.read(found)
                away_since = None
            except ExplainedError as problem:
                started = away_since = away_since or time.monotonic()
                if not problem.server_is_away or time.monotonic() - started > self._patience_s:
                    raise
                task.report("Waiting for the server to come back", state.fraction)
                task.cancellation.wait(min(1.0, self._patience_s / 4))
        return state

    def cancel_job(self, job: str) -> None:
        """Cancel a job on the server; a server that is away will abandon it by itself."""
        hurried = Transport(self.address, self._http.token, connect_s=2.0, silence_s=3.0)
        try:
            hurried.document("DELETE", f"{_ROOT}/jobs/{_name(job)}", limit_s=3.0)
        except ExplainedError:
            return  # `abandon_after_s` ends it without us

    def latest_result(self, image: str, task: Task) -> Analysis | None:
        """The newest stored result of an image, or None."""
        listed = items(self._get(f"/results{_query(image=image)}", task.cancellation))
        return self.result(str(listed[0]["id"]), task) if listed else None

    def result(self, result: str, task: Task) -> Analysis:
        """A stored result."""
        return Analysis.read(self._get(f"/results/{_name(result)}", task.cancellation))

    def matches(self, result: str, task: Task) -> Matches | None:
        """Where places of a case lie in its support studies; None from a server too old to tell.

        The first call for a result may take the server a while: it registers the studies again.
        """
        task.report("Finding the matching slice")
        path = f"{_ROOT}/results/{_name(result)}/matches"
        try:
            answer = self._slow.document("GET", path, task.cancellation, limit_s=_SLOW_S)
        except ExplainedError as problem:
            if problem.code != "unknown_route":
                raise
            return None
        return Matches.read(answer)

    def heatmap(self, result: str, task: Task) -> VolumeData:
        """Its heatmap, in z units, to within a 255th of its range."""
        return self._fetch(f"/results/{_name(result)}/heatmap", "Downloading the heatmap", task)

    def finding_labels(self, result: str, task: Task) -> VolumeData:
        """A volume that holds the rank of the finding that a voxel belongs to."""
        path = f"/results/{_name(result)}/mask?labels=findings"
        return self._fetch(path, "Downloading the findings", task)

    def review(self, result: str, task: Task) -> tuple[Event, ...]:
        """The events of a result's review that the server has."""
        found = self._get(f"/results/{_name(result)}/review", task.cancellation)
        return Review.read_server(found)

    def send_events(self, result: str, review: Review, task: Task) -> Review:
        """Send what waits, in its order; what the server has already is not sent twice.

        Returns:
            The review with the server's log.

        Raises:
            ExplainedError: an event was refused or the server is away; those before it were taken.
        """
        review = review.with_server(self.review(result, task))
        total = len(review.waiting)
        while review.waiting:
            event = review.waiting[0]
            body = {
                "action": event.action.value,
                "finding": event.finding,
                "reviewer": event.reviewer,
                "note": event.note,
                "mask": event.mask,
            }
            if event.action is Action.UNDO and review.next_undone is not None:
                body["event"] = review.next_undone
            found = self._post(f"/results/{_name(result)}/review/events", body, task)
            review = Review(Review.read_server(found), review.waiting[1:])
            task.report("Saving the review", 1 - len(review.waiting) / total)
        return review

    def send_mask(self, result: str, volume: VolumeData, task: Task) -> str:
        """Send an outline drawn by the reviewer; returns the SHA-256 by which events name it."""
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            file = Path(folder) / "mask.nii.gz"
            digest = write_nifti(file, volume)
            path = f"{_ROOT}/results/{_name(result)}/review/masks/{digest}"
            self._http.upload(path, file, task.cancellation, _silent)
        return digest

    def fetch_mask(self, result: str, digest: str, task: Task) -> VolumeData:
        """An outline that a reviewer sent."""
        path = f"/results/{_name(result)}/review/masks/{digest}"
        return self._fetch(path, "Downloading outlines", task)

    def store_final(self, result: str, reviewer: str, note: str, task: Task) -> FinalLabel:
        """Make the accepted findings the case's final label; a PACS gets it as DICOM."""
        body = {"reviewer": reviewer, "note": note}
        path = f"{_ROOT}/results/{_name(result)}/review/final"
        answer = self._slow.document("PUT", path, task.cancellation, body, limit_s=_SLOW_S)
        return FinalLabel.read(answer)

    def _get(
        self, path: str, cancellation: Cancellation | None, limit_s: float = 60.0
    ) -> dict[str, Any]:
        return self._http.document("GET", _ROOT + path, cancellation, limit_s=limit_s)

    def _post(self, path: str, body: dict[str, Any], task: Task) -> dict[str, Any]:
        return self._http.document("POST", _ROOT + path, task.cancellation, body)

    def _fetch(self, path: str, step: str, task: Task) -> VolumeData:
        def moved(done: int, total: int) -> None:
            task.report(step, done / max(total, 1))

        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            file = Path(folder) / "volume.nii.gz"
            self._http.download(_ROOT + path, file, task.cancellation, moved)
            return read_nifti(file)


def _silent(sent: int, total: int) -> None:
    return


def _of(task: Task | None) -> Cancellation | None:
    return None if task is None else task.cancellation


def _name(value: str) -> str:
    return quote(value, safe="")


def _query(**parts: Any) -> str:
    given = {key: value for key, value in parts.items() if value is not None}
    return f"?{urlencode(given, doseq=True)}" if given else ""


def _plain_name(name: str) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    return plain.strip("._")[:60] or "volume"
