"""Reviews of results: their events, outlines and final labels."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.records import FinalLabel
from ..logic.review import Review
from ..logic.review_events import Entry, Event, ServerReview
from ..logic.volume_file import VolumeData, write_nifti
from .calls import ROOT, SLOW_S, Calls, path_part


@dataclass(frozen=True)
class Sent:
    """What became of the events that waited.

    Attributes:
        review: the review on what the server says now; what waits in it could not be sent.
        keys: names of the events that the server took.
        refused: events on findings that somebody else has touched meanwhile; they were not sent.
        others: what others have written meanwhile.
        problem: why sending ended before everything was sent.
    """

    review: Review
    keys: frozenset[str] = frozenset()
    refused: tuple[Event, ...] = ()
    others: tuple[Entry, ...] = ()
    problem: ExplainedError | None = None


class ReviewCalls(Calls):
    """Calls about reviews."""

    def review(self, result: str, task: Task) -> ServerReview:
        """The review of a result as the server has it."""
        return ServerReview.read(self._get(_address(result), task.cancellation))

    def send_events(
        self, result: str, review: Review, task: Task, own: Collection[str] = ()
    ) -> Sent:
        """Send what waits, in its order, on the review that the reviewer saw.

        An event whose answer was lost is sent again with its key, by which the server knows it.

        Args:
            result: the result under review.
            review: the review as the panel shows it.
            task: for progress and cancelling.
            own: keys of events that this reviewer may have sent, besides those that wait.
        """
        sent = Sent(review)
        total = len(review.waiting)
        while sent.review.waiting:
            event = sent.review.waiting[0]
            try:
                server = self._send_event(result, sent.review, event, task)
            except ExplainedError as problem:
                return Sent(sent.review, sent.keys, sent.refused, sent.others, problem)
            others = sent.review.others(server, own)
            rebased, refused = sent.review.rebased(server, own)
            keys = sent.keys | ({event.key} & {entry.key for entry in server.entries})
            sent = Sent(rebased, keys, sent.refused + refused, sent.others + others)
            task.report(_("Saving the review"), 1 - len(rebased.waiting) / total)
        return sent

    def _send_event(self, result: str, review: Review, event: Event, task: Task) -> ServerReview:
        """The review with the event, or as it is now where somebody else has written."""
        try:
            path = f"{_address(result)}/events"
            return ServerReview.read(self._post(path, review.request(event), task))
        except ExplainedError as problem:
            if problem.code != "review_changed":
                raise
        return self.review(result, task)

    def send_mask(self, result: str, volume: VolumeData, task: Task) -> str:
        """Send an outline drawn by the reviewer; returns the SHA-256 by which events name it."""
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            file = Path(folder) / "mask.nii.gz"
            digest = write_nifti(file, volume)
            path = f"{ROOT}{_address(result)}/masks/{digest}"
            self._http.upload(path, file, task.cancellation, _silent)
        return digest

    def fetch_mask(self, result: str, digest: str, task: Task) -> VolumeData:
        """An outline that a reviewer sent."""
        return self._fetch(f"{_address(result)}/masks/{digest}", _("Downloading outlines"), task)

    def store_final(
        self, result: str, review: Review, reviewer: str, note: str, task: Task
    ) -> tuple[FinalLabel, ServerReview]:
        """Make the accepted findings the case's final label; a PACS gets it as DICOM.

        Args:
            result: the result under review.
            review: the review that the reviewer saw; the server refuses where it is another now.
            reviewer: who.
            note: their remark.
            task: for cancelling.
        """
        version = review.server.version
        # The same request has the same key: one whose answer was lost is not done twice.
        request = "\n".join((result, str(version), reviewer, note)).encode("utf-8")
        body = {
            "reviewer": reviewer,
            "note": note,
            "expected_version": version,
            "key": hashlib.sha256(request).hexdigest()[:32],
        }
        path = f"{ROOT}{_address(result)}/final"
        answer = self._slow.document("PUT", path, task.cancellation, body, limit_s=SLOW_S)
        return FinalLabel.read(answer), ServerReview.read(answer)


def _address(result: str) -> str:
    return f"/results/{path_part(result)}/review"


def _silent(sent: int, total: int) -> None:
    return
