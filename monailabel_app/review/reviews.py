"""The review of a result: a log of events that only grows, and the state they add up to."""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from monailabel_app.failures import RequestError
from monailabel_app.times import now

_STATE_AFTER = {
    "accept": "accepted",
    "reject": "rejected",
    "edit": "edited",
    "add": "added",
    "reopen": "open",
}
_CLOSING = ("final", "confirm_normal")
MARKED_STATES = ("accepted", "edited", "added")
"""States of findings that belong to the final label."""


@dataclass(frozen=True)
class ReviewEvent:
    """One thing a reviewer did.

    Attributes:
        action: `accept`, `reject`, `edit`, `add`, `reopen`, `note` or `undo`; `final` and
            `confirm_normal` are written by the server.
        reviewer: who.
        event: its number, from 1.
        time: when, ISO 8601, UTC.
        finding: number of the finding; None for the study as a whole.
        note: their remark.
        mask: hash of a mask that was sent before.
        undoes: number of the event that is taken back.
        marked: whether the final label that a `final` stored marks anything.
    """

    action: str
    reviewer: str
    event: int = 0
    time: str = ""
    finding: int | None = None
    note: str = ""
    mask: str | None = None
    undoes: int | None = None
    marked: bool = False


@dataclass(frozen=True)
class FindingReview:
    """Where a finding stands.

    Attributes:
        finding: its number.
        state: `open`, `accepted`, `edited`, `added` or `rejected`.
        reviewer: who decided it.
        time: when.
        note: the latest remark.
        mask: hash of the outline drawn for it.
    """

    finding: int
    state: str = "open"
    reviewer: str = ""
    time: str | None = None
    note: str = ""
    mask: str | None = None


@dataclass(frozen=True)
class Review:
    """The review of one result.

    Attributes:
        state: `unreviewed`, `in_review` or `reviewed`.
        findings: by number.
        events: all of them, in order.
        undone: numbers of the events that were taken back.
        final: the event that stored the final label, None before.
    """

    state: str
    findings: tuple[FindingReview, ...]
    events: tuple[ReviewEvent, ...]
    undone: frozenset[int]
    final: ReviewEvent | None

    @property
    def version(self) -> int:
        """Number of events."""
        return len(self.events)

    @property
    def confirmed_normal(self) -> bool:
        """Whether the study was found normal: confirmed as such, or reviewed and nothing marked."""
        if self.state != "reviewed":
            return False
        last = [e for e in self.events if e.action in _CLOSING and e.event not in self.undone][-1]
        # A reviewer can reject every finding and still draw a label of their own.
        marked = last.marked or any(finding.state in MARKED_STATES for finding in self.findings)
        return last.action == "confirm_normal" or not marked


def review_of(finding_count: int, events: Sequence[ReviewEvent]) -> Review:
    """Add up the events of a result with so many findings."""
    undone = frozenset(event.undoes for event in events if event.undoes is not None)
    effective = [e for e in events if e.action != "undo" and e.event not in undone]
    findings = {number: FindingReview(number) for number in range(1, finding_count + 1)}
    state = "unreviewed"
    final = None
    for event in effective:
        if event.action in _CLOSING:
            state = "reviewed"
            final = event if event.action == "final" else final
            continue
        if event.action != "note" or state == "unreviewed":
            state = "in_review"
        if event.finding is not None:
            before = findings.get(event.finding, FindingReview(event.finding))
            findings[event.finding] = _after(before, event)
    ordered = tuple(findings[number] for number in sorted(findings))
    return Review(state, ordered, tuple(events), undone, final)


def _after(before: FindingReview, event: ReviewEvent) -> FindingReview:
    if event.action == "note":
        return replace(before, note=event.note)
    return FindingReview(
        before.finding,
        _STATE_AFTER[event.action],
        event.reviewer,
        event.time,
        event.note or before.note,
        event.mask,
    )


class ReviewLog:
    """One append-only file of JSON lines for each result.

    Args:
        folder: where they lie; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def events(self, result: str) -> tuple[ReviewEvent, ...]:
        """The events of a result, in order."""
        path = self._path(result)
        return tuple(_lines(path)) if path.is_file() else ()

    def results(self) -> tuple[str, ...]:
        """Ids of the results that have events."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.jsonl")))

    def append(
        self, result: str, finding_count: int, event: ReviewEvent, expected: int | None = None
    ) -> Review:
        """Write an event behind the others; it is on the disk when this returns.

        Args:
            result: id of the result.
            finding_count: number of findings in its report.
            event: what happened; number and time are given here.
            expected: number of events the client knows of; None does not matter.

        Raises:
            RequestError: there are other events than the client knows, or the event does not fit.
        """
        with self._lock:
            before = self.events(result)
            review = review_of(finding_count, before)
            if expected is not None and expected != review.version:
                raise RequestError(
                    "review_changed",
                    f"The review has {review.version} events, not {expected}.",
                    "Load it again and decide on what it says now.",
                )
            event = _checked(review, event)
            numbered = replace(event, event=review.version + 1, time=now())
            self._write(self._path(result), numbered)
            return review_of(finding_count, (*before, numbered))

    def _write(self, path: Path, event: ReviewEvent) -> None:
        line = json.dumps(asdict(event), ensure_ascii=False).encode() + b"\n"
        with path.open("ab") as stream:
            # A server killed while it wrote may have left half a line; it never counted.
            if stream.tell() and not path.read_bytes().endswith(b"\n"):
                stream.write(b"\n")
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())

    def _path(self, result: str) -> Path:
        return self._folder / f"{result}.jsonl"


def _checked(review: Review, event: ReviewEvent) -> ReviewEvent:
    """Refuse an event that does not fit the review; fill in what it leaves open."""
    if event.action == "undo":
        return _undo(review, event)
    if event.action == "add":
        return replace(event, finding=len(review.findings) + 1)
    if event.action in _CLOSING or (event.action == "note" and event.finding is None):
        return event
    if event.finding is None or not 1 <= event.finding <= len(review.findings):
        raise RequestError(
            "unknown_finding",
            f"The result has no finding {event.finding}.",
            f"Give a number from 1 to {len(review.findings)}."
            if review.findings
            else "It has none; a region that was missed can be added.",
        )
    return event


def _undo(review: Review, event: ReviewEvent) -> ReviewEvent:
    open_events = [
        other.event
        for other in review.events
        if other.action != "undo" and other.event not in review.undone
    ]
    wanted = event.undoes if event.undoes is not None else (open_events or [0])[-1]
    if wanted not in open_events:
        raise RequestError(
            "bad_request",
            f"There is no event {wanted} to undo." if wanted else "There is nothing to undo.",
            "Name an event that is not undone yet.",
        )
    return replace(event, undoes=wanted, finding=None, mask=None)


def _lines(path: Path) -> Iterator[ReviewEvent]:
    for line in path.read_bytes().split(b"\n"):
        try:
            yield ReviewEvent(**json.loads(line))
        except json.JSONDecodeError:
            continue  # empty, or cut off when the server was killed: it was never confirmed
