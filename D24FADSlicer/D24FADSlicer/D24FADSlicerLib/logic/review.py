"""The review of a case: the server's states, and over them what waits to be sent.

What a log of events adds up to is the server's to say. Only for the few events that it does not
have yet the panel says what they will lead to.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from .language import tr as _
from .messages import ExplainedError
from .records import Document, malformed, number, text


class Action(str, Enum):
    """What a reviewer can do."""

    ACCEPT = "accept"
    REJECT = "reject"
    EDIT = "edit"
    ADD = "add"
    REOPEN = "reopen"
    NOTE = "note"
    UNDO = "undo"


class State(str, Enum):
    """Where a finding stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    EDITED = "edited"
    ADDED = "added"
    REJECTED = "rejected"


@dataclass(frozen=True)
class FindingReview:
    """Where a finding stands.

    Attributes:
        state: what was decided.
        note: the latest remark.
        reviewer: who decided it.
        mask: SHA-256 of the outline drawn for it; None for the detector's own.
        added: whether a reviewer added it; the others are the detector's.
    """

    state: State = State.OPEN
    note: str = ""
    reviewer: str = ""
    mask: str | None = None
    added: bool = False

    @classmethod
    def read(cls, document: Document) -> FindingReview:
        """Read it from the server's answer.

        Raises:
            ExplainedError: the state is none that this extension knows.
        """
        name = text(document, "state")
        if name not in {state.value for state in State}:
            raise malformed(f"a finding is '{name}'")
        return cls(
            state=State(name),
            note=str(document.get("note") or ""),
            reviewer=str(document.get("reviewer") or ""),
            mask=document.get("mask"),
            added=bool(document.get("added", False)),
        )


@dataclass(frozen=True)
class Entry:
    """An event in the server's log.

    Attributes:
        number: its place in the log, from 1.
        key: names it once and for all.
        finding: the finding it is about; None for the study.
        reviewer: who.
        undoes: number of the event that it took back.
        stands: whether `undo` can take it back.
        before: where its finding stood before it; None for an added one and for the study.
        note_before: the remark on the study before it.
        mask: SHA-256 of the outline that came with it.
    """

    number: int
    key: str
    finding: int | None
    reviewer: str
    undoes: int | None
    stands: bool
    before: FindingReview | None
    note_before: str
    mask: str | None = None

    @classmethod
    def read(cls, document: Document) -> Entry:
        """Read it from the server's answer."""
        before = document.get("before")
        finding = (before or {}).get("finding")
        return cls(
            number=int(number(document, "event")),
            key=text(document, "key"),
            finding=document.get("finding"),
            reviewer=str(document.get("reviewer") or ""),
            undoes=document.get("undoes"),
            stands=before is not None,
            before=None if finding is None else FindingReview.read(finding),
            note_before=str((before or {}).get("note") or ""),
            mask=document.get("mask"),
        )


@dataclass(frozen=True)
class ServerReview:
    """The review of a result as the server last told it.

    Attributes:
        version: grows with every event.
        findings: number and state of each finding.
        note: the remark on the study.
        entries: the log, oldest first.
    """

    version: int = 0
    findings: tuple[tuple[int, FindingReview], ...] = ()
    note: str = ""
    entries: tuple[Entry, ...] = ()

    @classmethod
    def read(cls, document: Document) -> ServerReview:
        """Read it from the server's answer.

        Raises:
            ExplainedError: the answer lacks one of its parts.
        """
        return cls(
            version=int(number(document, "version")),
            findings=tuple(
                (int(number(finding, "finding")), FindingReview.read(finding))
                for finding in document.get("findings") or ()
            ),
            note=str(document.get("note") or ""),
            entries=tuple(Entry.read(event) for event in document.get("events") or ()),
        )

    @property
    def masks(self) -> dict[int, str]:
        """The outlines that reviewers drew, by finding."""
        return {rank: found.mask for rank, found in self.findings if found.mask is not None}

    def number_of(self, key: str) -> int | None:
        """The place of an event in the log, None where it is not in it."""
        return next((entry.number for entry in self.entries if entry.key == key), None)

    def document(self) -> dict[str, Any]:
        """The same as plain values, as the server would say it."""
        return {
            "version": self.version,
            "findings": [{"finding": rank, **asdict(found)} for rank, found in self.findings],
            "note": self.note,
            "events": [_entry_document(entry) for entry in self.entries],
        }


@dataclass(frozen=True)
class Event:
    """Something that a reviewer did and that waits to be sent.

    Attributes:
        action: what was done.
        finding: the finding's number; None for the whole study and for an added region.
        reviewer: who did it.
        time: when, ISO 8601, UTC.
        note: a remark.
        mask: SHA-256 of the outline sent with it.
        key: names it once and for all, so that it is not written twice.
        target: key of the event that an `undo` takes back.
    """

    action: Action
    finding: int | None
    reviewer: str
    time: str
    note: str = ""
    mask: str | None = None
    key: str = ""
    target: str = ""

    @classmethod
    def read(cls, document: Document) -> Event:
        """Read it from a scene."""
        finding = document.get("finding")
        return cls(
            action=Action(text(document, "action")),
            finding=None if finding is None else int(finding),
            reviewer=str(document.get("reviewer") or ""),
            time=str(document.get("time") or ""),
            note=str(document.get("note") or ""),
            mask=document.get("mask"),
            # Scenes of earlier versions have none; it must be the same at each reading.
            key=str(document.get("key") or _digest(document)),
            target=str(document.get("target") or ""),
        )


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

    server: ServerReview = ServerReview()
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
        found = self.findings()
        return tuple(rank for rank in ranks if found.get(rank, FindingReview()).state is State.OPEN)

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


def problem_of_others(others: Sequence[Entry]) -> ExplainedError:
    """Why a final label was not stored: its reviewer has not seen what others wrote."""
    return ExplainedError(
        _("{names} changed the review meanwhile; the final segmentation was not stored.").format(
            names=_names(others)
        ),
        _("Look at what the list says now, then save again."),
        "review_changed",
    )


def _names(others: Sequence[Entry]) -> str:
    names = sorted({entry.reviewer for entry in others if entry.reviewer})
    return ", ".join(names) or _("Somebody else")


def problem_of_refused(refused: Sequence[Event], others: Sequence[Entry]) -> ExplainedError:
    """Why decisions were not sent.

    Args:
        refused: the decisions, at least one.
        others: what others have written meanwhile.
    """
    numbers = sorted({event.finding for event in refused if event.finding is not None})
    of_finding, of_study = (
        _("{names} changed the review of finding {numbers} meanwhile; yours was not sent."),
        _("{names} changed the review of this study meanwhile; yours was not sent."),
    )
    return ExplainedError(
        (of_finding if numbers else of_study).format(
            names=_names(others), numbers=", ".join(map(str, numbers))
        ),
        _("Look at what the list says now, then decide again."),
        "review_changed",
    )


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


def _entry_document(entry: Entry) -> dict[str, Any]:
    finding = None if entry.before is None else asdict(entry.before)
    return {
        "event": entry.number,
        "key": entry.key,
        "finding": entry.finding,
        "reviewer": entry.reviewer,
        "undoes": entry.undoes,
        "mask": entry.mask,
        "before": {"finding": finding, "note": entry.note_before} if entry.stands else None,
    }


def _digest(document: Document) -> str:
    content = json.dumps(document, sort_keys=True).encode("utf-8")
    return hashlib.sha256(content).hexdigest()[:32]


def _now() -> str:
    """The time as the log writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
