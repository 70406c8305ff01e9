"""Reviews of results: their events, outlines and final labels."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.records import FinalLabel
from ..logic.review import Action, Event, Review
from ..logic.volume_file import VolumeData, write_nifti
from .calls import ROOT, SLOW_S, Calls, path_part


class ReviewCalls(Calls):
    """Calls about reviews."""

    def review(self, result: str, task: Task) -> tuple[Event, ...]:
        """The events of a result's review that the server has."""
        found = self._get(f"/results/{path_part(result)}/review", task.cancellation)
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
            found = self._post(f"/results/{path_part(result)}/review/events", body, task)
            review = Review(Review.read_server(found), review.waiting[1:])
            task.report(_("Saving the review"), 1 - len(review.waiting) / total)
        return review

    def send_mask(self, result: str, volume: VolumeData, task: Task) -> str:
        """Send an outline drawn by the reviewer; returns the SHA-256 by which events name it."""
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            file = Path(folder) / "mask.nii.gz"
            digest = write_nifti(file, volume)
            path = f"{ROOT}/results/{path_part(result)}/review/masks/{digest}"
            self._http.upload(path, file, task.cancellation, _silent)
        return digest

    def fetch_mask(self, result: str, digest: str, task: Task) -> VolumeData:
        """An outline that a reviewer sent."""
        path = f"/results/{path_part(result)}/review/masks/{digest}"
        return self._fetch(path, _("Downloading outlines"), task)

    def store_final(self, result: str, reviewer: str, note: str, task: Task) -> FinalLabel:
        """Make the accepted findings the case's final label; a PACS gets it as DICOM."""
        body = {"reviewer": reviewer, "note": note}
        path = f"{ROOT}/results/{path_part(result)}/review/final"
        answer = self._slow.document("PUT", path, task.cancellation, body, limit_s=SLOW_S)
        return FinalLabel.read(answer)


def _silent(sent: int, total: int) -> None:
    return
