"""What the events of a review add up to: a pure function from the log to the states.

It is the only one. How events are stored is the business of `log`; clients are told the states and
lay over them only what they have not sent yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monailabel_app.failures import RequestError

MARKED_STATES = ("accepted", "edited", "added")
"""States of findings that belong to the final label."""

_CLOSING = ("final", "confirm_normal")


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
        key: names the event once and for all, so that it is not written twice.
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
    key: str = ""


@dataclass(frozen=True)
class FindingReview:
    """Where a finding stands.

    Attributes:
        finding: its number.
        state: `open`, `accepted`, `edited`, `added` or `rejected`.
        reviewer: who decided it.
        time: when.
        note: the latest remark.
        mask: hash of the outline drawn for it; None for the detector's own.
        added: whether a reviewer added it; the others are the detector's.
    """

    finding: int
    state: str = "open"
    reviewer: str = ""
    time: str | None = None
    note: str = ""
    mask: str | None = None
    added: bool = False


@dataclass(frozen=True)
class Before:
    """What an event changed, as it was before: what taking it back leads to.

    Attributes:
        finding: where the event's finding stood; None for an added one and for the study.
        note: the remark on the study.
    """

    finding: FindingReview | None
    note: str


@dataclass(frozen=True)
class Review:
    """The review of one result.

    Attributes:
        state: `unreviewed`, `in_review` or `reviewed`.
        findings: by number; a region whose `add` was taken back is not among them.
        note: the latest remark on the study.
        events: all of them, in order.
        undone: numbers of the events that were taken back.
        before: by number of the event, for those that stand and `undo` can take back.
        final: the event that stored the final label, None before.
    """

    state: str
    findings: tuple[FindingReview, ...]
    note: str
    events: tuple[ReviewEvent, ...]
    undone: frozenset[int]
    before: Mapping[int, Before] = field(repr=False)
    final: ReviewEvent | None

    @property
    def version(self) -> int:
        """Number of the latest event, 0 before the first."""
        return self.events[-1].event if self.events else 0

    @property
    def marked(self) -> tuple[int, ...]:
        """Numbers of the findings that belong to the final label."""
        return tuple(f.finding for f in self.findings if f.state in MARKED_STATES)

    @property
    def marks_something(self) -> bool:
        """Whether a finding counts, or a stored final label that still holds marks a voxel."""
        closed_marked = self.state == "reviewed" and self.final is not None and self.final.marked
        return bool(self.marked) or closed_marked

    @property
    def confirmed_normal(self) -> bool:
        """Whether the study was found normal: confirmed as such, or reviewed and nothing marked."""
        # A reviewer can reject every finding and still draw a label of their own.
        return self.state == "reviewed" and not self.marks_something


def review_of(finding_count: int, events: Sequence[ReviewEvent]) -> Review:
    """Add up the events of a result with so many findings."""
    undone = frozenset(event.undoes for event in events if event.undoes is not None)
    standing = [e for e in events if e.action != "undo" and e.event not in undone]
    findings = {number: FindingReview(number) for number in range(1, finding_count + 1)}
    before: dict[int, Before] = {}
    note = ""
    for event in standing:
        if event.action in _CLOSING:
            continue
        at = None if event.finding is None else findings.get(event.finding)
        before[event.event] = Before(at, note)
        if event.finding is None:
            note = event.note
        elif event.action == "add":
            findings[event.finding] = _after(FindingReview(event.finding, added=True), event)
        elif at is not None:  # otherwise it is about a region whose `add` was taken back
            findings[event.finding] = _after(at, event)
    return Review(
        state=_state(events, standing),
        findings=tuple(findings[number] for number in sorted(findings)),
        note=note,
        events=tuple(events),
        undone=undone,
        before=before,
        final=next((e for e in reversed(standing) if e.action == "final"), None),
    )


def admit(review: Review, event: ReviewEvent) -> ReviewEvent:
    """Refuse an event that does not fit the review; fill in what it leaves open.

    Raises:
        RequestError: it names a finding or an event that is not there, or contradicts the review.
    """
    if event.action == "undo":
        return _undo(review, event)
    if event.action == "add":
        # The numbers of regions that were taken back are not given again.
        named = [f.finding for f in review.findings] + [e.finding or 0 for e in review.events]
        return replace(event, finding=max(named, default=0) + 1)
    if event.action == "confirm_normal":
        require_nothing_marked(review)
    if event.action in _CLOSING or (event.action == "note" and event.finding is None):
        return event
    numbers = [finding.finding for finding in review.findings]
    if event.finding not in numbers:
        raise RequestError(
            "unknown_finding",
            f"The result has no finding {event.finding}.",
            f"Give one of {', '.join(map(str, numbers[:20]))}."
            if numbers
            else "It has none; a region that was missed can be added.",
        )
    return event


def require_nothing_marked(review: Review) -> None:
    """Refuse to call a study normal in which something is marked.

    Raises:
        RequestError: a finding was accepted, or the stored final label marks a voxel.
    """
    if not review.marks_something:
        return
    names = ", ".join(map(str, review.marked[:20]))
    raise RequestError(
        "findings_accepted",
        f"The study is not normal: accepted {'are findings' if names else 'is the label'}"
        f"{f' {names}' if names else ' that was drawn for it'}.",
        "Reject or reopen what is no finding, then confirm the study as normal.",
    )


def _after(before: FindingReview, event: ReviewEvent) -> FindingReview:
    if event.action == "note":
        return replace(before, note=event.note)
    # Whoever accepts a finding accepts the outline that is shown: the one drawn for it, if any.
    mask = event.mask or before.mask
    if event.action in ("reject", "reopen"):
        state = "rejected" if event.action == "reject" else "open"
    elif before.added:
        state = "added"
    else:
        state = "accepted" if mask is None else "edited"
    return replace(
        before,
        state=state,
        reviewer=event.reviewer,
        time=event.time,
        note=event.note or before.note,
        mask=mask,
    )


def _state(events: Sequence[ReviewEvent], standing: Sequence[ReviewEvent]) -> str:
    closed = next((e.event for e in reversed(standing) if e.action in _CLOSING), None)
    if closed is None:
        return "in_review" if standing else "unreviewed"
    decisions = {e.event for e in events if e.action not in ("note", "undo", *_CLOSING)}
    decided_since = any(e.event in decisions and e.event > closed for e in standing)
    # Taking back what was decided before the label was stored changes what the label rests on.
    taken_back = any(
        e.event > closed and e.undoes in decisions and e.undoes < closed
        for e in events
        if e.undoes is not None
    )
    return "in_review" if decided_since or taken_back else "reviewed"


def _undo(review: Review, event: ReviewEvent) -> ReviewEvent:
    standing = [e.event for e in review.events if e.action != "undo"]
    standing = [number for number in standing if number not in review.undone]
    # A stored label is taken back by its number only.
    latest = max(review.before, default=0)
    target = event.undoes if event.undoes is not None else latest
    if target not in standing:
        raise RequestError(
            "bad_request",
            f"There is no event {target} to undo." if target else "There is nothing to undo.",
            "Name an event that is not undone yet.",
        )
    return replace(event, undoes=target, finding=None, mask=None)
