"""The review of a case: the server's states, and over them what waits to be sent.

What a log of events adds up to is the server's to say. Only for the few events that it does not
have yet the panel says what they will lead to.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from .records import Document
from .review_events import Action, Entry, Event, FindingReview, ServerReview, State


@dataclass(frozen=True)
class _Step:
    """An event that can be taken back, and what was before it."""

    key: str
    finding: int | None
    before: FindingReview | None
    note_before: str


@dataclass
class _Overlay:
    """The server's states with the waiting events laid over them, one after the other."""

    findings: dict[int, FindingReview]
    note: str
    steps: list[_Step]
    highest: int

    def lay(self, event: Event) -> None:
        if event.action is Action.UNDO:
            self._take_back(event.target)
            return
        finding = event.finding
        if event.action is Action.ADD:
            finding = self.highest = self.highest + 1
        if finding is None:
            self.steps.append(_Step(event.key, None, None, self.note))
            self.note = event.note
        elif event.action is Action.ADD:
            self.steps.append(_Step(event.key, finding, None, self.note))
            self.findings[finding] = _after(FindingReview(added=True), event)
        else:
            before = self.findings.get(finding, FindingReview())
            self.steps.append(_Step(event.key, finding, before, self.note))
            self.findings[finding] = _after(before, event)

    def _take_back(self, key: str) -> None:
        step = next((step for step in self.steps if step.key == key), None)
        if step is None:
            return
        self.steps.remove(step)
        if step.finding is None:
            self.note = step.note_before
        elif step.before is None:
            self.findings.pop(step.finding, None)
        else:
            self.findings[step.finding] = step.before


@dataclass(frozen=True)
class Review:
    """The review of one result: what the server says, and what waits to be sent.

    Attributes:
        server: the review as the server last told it and as the reviewer saw it.
        waiting: the events that the server has not confirmed yet, oldest first.
    """

    server: ServerReview = field(default_factory=ServerReview)
    waiting: tuple[Event, ...] = ()

    def append(
        self,
        action: Action,
        finding: int | None,
        reviewer: str,
        note: str = "",
        mask: str | None = None,
        key: str = "",
    ) -> Review:
        """The review with one more event."""
        event = Event(action, finding, reviewer, _now(), note, mask, key or uuid.uuid4().hex)
        return replace(self, waiting=(*self.waiting, event))

    def undo(self, reviewer: str) -> Review:
        """The review with the latest event taken back; the event itself stays in the log."""
        steps = self._overlay().steps
        if not steps:
            return self
        event = Event(Action.UNDO, None, reviewer, _now(), key=uuid.uuid4().hex)
        return replace(self, waiting=(*self.waiting, replace(event, target=steps[-1].key)))

    @property
    def can_undo(self) -> bool:
        """Whether an event is left to take back."""
        return bool(self._overlay().steps)

    def findings(self) -> dict[int, FindingReview]:
        """Where each finding stands that the server or a waiting event names."""
        return self._overlay().findings

    def of(self, finding: int) -> FindingReview:
        """Where one finding stands."""
        return self.findings().get(finding, FindingReview())

    def open_findings(self, ranks: Sequence[int]) -> tuple[int, ...]:
        """Those of the given findings that nobody has decided."""
        findings = self.findings()
        return tuple(
            rank for rank in ranks if findings.get(rank, FindingReview()).state is State.OPEN
        )

    @property
    def study_note(self) -> str:
        """The latest remark on the whole study."""
        return self._overlay().note

    def others(self, server: ServerReview, own: Collection[str] = ()) -> tuple[Entry, ...]:
        """What others have written since the reviewer saw the review.

        Args:
            server: the review as the server tells it now.
            own: keys of events that were sent for this reviewer, besides those that wait.
        """
        ours = {event.key for event in self.waiting} | set(own)
        return tuple(
            entry
            for entry in server.entries
            if entry.number > self.server.version and entry.key not in ours
        )

    def rebased(
        self, server: ServerReview, own: Collection[str] = ()
    ) -> tuple[Review, tuple[Event, ...]]:
        """The review on what the server says now.

        Waiting events that the server has wait no longer. Those on a finding that somebody else has
        touched since the reviewer saw it are taken out: the reviewer has to look at it again.

        Args:
            server: the review as the server tells it now.
            own: keys of events that were sent for this reviewer, besides those that wait.

        Returns:
            The review, and the events that were taken out.
        """
        subjects = {entry.number: entry.finding or 0 for entry in server.entries}
        touched = {
            subjects[entry.number] if entry.undoes is None else subjects.get(entry.undoes, 0)
            for entry in self.others(server, own)
            if entry.stands or entry.undoes is not None
        }
        standing = {entry.key: entry.finding or 0 for entry in server.entries if entry.stands}
        kept: list[Event] = []
        refused: list[Event] = []
        for event in self.waiting:
            if server.number_of(event.key) is not None:
                continue
            if event.action is Action.UNDO:
                targets = {kept_event.key for kept_event in kept}
                there = standing.get(event.target)
                lost = event.target not in targets and (there is None or there in touched)
            else:
                lost = event.action is not Action.ADD and (event.finding or 0) in touched
            (refused if lost else kept).append(event)
        return Review(server, tuple(kept)), tuple(refused)

    def without(self, events: Sequence[Event]) -> Review:
        """The review without some waiting events, and without the undoing of them."""
        gone = {event.key for event in events}
        kept = [e for e in self.waiting if e.key not in gone and e.target not in gone]
        return replace(self, waiting=tuple(kept))

    def request(self, event: Event) -> dict[str, Any]:
        """What to send for a waiting event."""
        body: dict[str, Any] = {
            "action": event.action.value,
            "finding": event.finding,
            "reviewer": event.reviewer,
            "note": event.note,
            "mask": event.mask,
            "key": event.key,
            "expected_version": self.server.version,
        }
        if event.action is Action.UNDO:
            body["event"] = self.server.number_of(event.target)
        return body

    def document(self) -> dict[str, Any]:
        """The review as plain values, for the scene."""
        return {
            "server": self.server.document(),
            "waiting": [asdict(event) for event in self.waiting],
        }

    @classmethod
    def read(cls, document: Document) -> Review:
        """Read a review from a scene."""
        server = document.get("server")
        return cls(
            ServerReview.read(server) if server else ServerReview(),
            tuple(Event.read(event) for event in document.get("waiting") or ()),
        )

    def _overlay(self) -> _Overlay:
        steps = [
            _Step(entry.key, entry.finding, entry.before, entry.note_before)
            for entry in self.server.entries
            if entry.stands
        ]
        findings = dict(self.server.findings)
        named = [*findings, *(entry.finding or 0 for entry in self.server.entries)]
        overlay = _Overlay(findings, self.server.note, steps, max(named, default=0))
        for event in self.waiting:
            overlay.lay(event)
        return overlay


def _after(before: FindingReview, event: Event) -> FindingReview:
    """What the server will say of a finding once it has the event."""
    if event.action is Action.NOTE:
        return replace(before, note=event.note)
    mask = event.mask or before.mask
    if event.action in (Action.REJECT, Action.REOPEN):
        state = State.REJECTED if event.action is Action.REJECT else State.OPEN
    elif before.added:
        state = State.ADDED
    else:
        state = State.ACCEPTED if mask is None else State.EDITED
    note = event.note or before.note
    return replace(before, state=state, note=note, reviewer=event.reviewer, mask=mask)


def _now() -> str:
    """The time as the log writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
