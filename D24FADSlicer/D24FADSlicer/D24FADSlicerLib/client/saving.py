"""Saving a review: outlines, decisions, and the final label that its reviewer saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from ..logic.jobs import Task
from ..logic.language import tr as _
from ..logic.messages import ExplainedError
from ..logic.records import FinalLabel
from ..logic.review import Review
from ..logic.review_events import Action
from ..logic.review_problems import problem_of_others
from ..logic.volume_file import VolumeData
from .api import Client
from .reviews import Sent


class Outline(Protocol):
    """An outline that the server does not have yet."""

    @property
    def action(self) -> Action:
        """EDIT for a finding that was drawn on, ADD for a region of the reviewer's own."""

    @property
    def finding(self) -> int | None:
        """The finding's number; None for an added one."""

    @property
    def volume(self) -> VolumeData:
        """The mask on the volume's grid."""

    @property
    def key(self) -> str:
        """Names its event; the same at each attempt to send it."""


AnyOutline = TypeVar("AnyOutline", bound=Outline)


@dataclass(frozen=True)
class SavedReview(Generic[AnyOutline]):
    """What became of a review that was to be saved.

    Attributes:
        sent: what became of its decisions and outlines.
        outlines: the outlines that the server took, each with the finding's number and its hash.
        final: where the final label went; None where it was not stored.
    """

    sent: Sent
    outlines: tuple[tuple[AnyOutline, int, str], ...]
    final: FinalLabel | None


def save_review(
    client: Client,
    result: str,
    review: Review,
    drawn: Sequence[AnyOutline],
    reviewer: str,
    note: str,
    task: Task,
) -> SavedReview[AnyOutline]:
    """Send everything of a review and store the final label; for a worker.

    The label is stored only where the review is as the reviewer saw it. What was sent before
    something went wrong is told with it, so that it is not sent twice.

    Args:
        client: the server.
        result: the result under review.
        review: the review as the panel shows it.
        drawn: outlines that wait to be sent.
        reviewer: who saves.
        note: their remark on the study.
        task: for progress and cancelling.
    """
    outlines: dict[str, tuple[AnyOutline, str]] = {}
    for outline in drawn:
        task.report(_("Sending outlines"))
        digest = client.send_mask(result, outline.volume, task)
        review = review.append(outline.action, outline.finding, reviewer, "", digest, outline.key)
        outlines[outline.key] = (outline, digest)
    sent = client.send_events(result, review, task)
    numbers = {entry.key: entry.finding for entry in sent.review.server.entries}
    new = tuple(
        (outline, number, digest)
        for key, (outline, digest) in outlines.items()
        if (number := numbers.get(key)) is not None
    )
    problem = sent.problem
    if problem is None and (sent.refused or sent.others):
        problem = problem_of_others(sent.others)
    server, final = sent.review.server, None
    if problem is None:
        task.report(_("Storing the final segmentation"))
        try:
            final, server = client.store_final(result, sent.review, reviewer, note, task)
        except ExplainedError as caught:
            problem = caught
    # Outlines that were not taken wait in the scene, as drawings.
    refused = tuple(event for event in sent.refused if event.key not in outlines)
    outcome = replace(sent, review=Review(server), refused=refused, problem=problem)
    return SavedReview(outcome, new, final)
