"""The review of a case: a log that only grows, and the state that it adds up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from .records import Document, text


class Action(str, Enum):
    """What a reviewer did."""

    ACCEPT = "accept"
    REJECT = "reject"
    EDIT = "edit"
    ADD = "add"
    REOPEN = "reopen"
    NOTE = "note"
    UNDO = "undo"
    OTHER = "other"


class State(str, Enum):
    """What a finding is after the events so far."""

    OPEN = "open"
    ACCEPTED = "accepted"
    EDITED = "edited"
    ADDED = "added"
    REJECTED = "rejected"


_STATE_AFTER = {
    Action.ACCEPT: State.ACCEPTED,
    Action.REJECT: State.REJECTED,
    Action.EDIT: State.EDITED,
    Action.ADD: State.ADDED,
    Action.REOPEN: State.OPEN,
}


@dataclass(frozen=True)
class Event:
    """One entry of the log.

    Attributes:
        action: what was done.
        finding: the finding's number; None for the whole study.
        reviewer: who did it.
        time: when, ISO 8601, UTC.
        note: a remark.
        mask: SHA-256 of the outline sent with it.
        undone: whether a later event took it back.
        number: its number in the server's log; None while it waits.
    """

    action: Action
    finding: int | None
    reviewer: str
    time: str
    note: str = ""
    mask: str | None = None
    undone: bool = False
    number: int | None = None

    @classmethod
    def read(cls, document: Document) -> Event:
        """Read it from the server's or a scene's log."""
        name = text(document, "action")
        known = name in {action.value for action in Action}
        # What the server writes by itself (a final label, a confirmation) decides nothing here.
        action = Action(name) if known else Action.OTHER
        finding = document.get("finding")
        return cls(
            action=action,
            finding=None if finding is None else int(finding),
            reviewer=str(document.get("reviewer") or ""),
            time=str(document.get("time") or ""),
            note=str(document.get("note") or ""),
            mask=document.get("mask"),
            undone=bool(document.get("undone", False)),
            number=document.get("event", document.get("number")),
        )


@dataclass(frozen=True)
class FindingReview:
    """Where a finding stands."""

    state: State = State.OPEN
    note: str = ""
    reviewer: str = ""
    mask: str | None = None


def now() -> str:
    """The time as the log writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Review:
    """The log of one result: what the server has confirmed and what waits to be sent.

    Attributes:
        confirmed: the events on the server, oldest first.
        waiting: the events that the server has not confirmed yet, oldest first.
    """

    confirmed: tuple[Event, ...] = ()
    waiting: tuple[Event, ...] = ()

    def append(
        self,
        action: Action,
        finding: int | None,
        reviewer: str,
        note: str = "",
        mask: str | None = None,
    ) -> Review:
        """The review with one more event."""
        event = Event(action, finding, reviewer, now(), note, mask)
        return replace(self, waiting=(*self.waiting, event))

    def undo(self, reviewer: str) -> Review:
        """The review with the latest event taken back; the event itself stays in the log."""
        return self.append(Action.UNDO, None, reviewer) if self.can_undo else self

    @property
    def can_undo(self) -> bool:
        """Whether an event is left to take back."""
        return any(_takes_back(event) for event in self.effective())

    @property
    def next_undone(self) -> int | None:
        """The number in the server's log of the event that `undo` would take back there."""
        standing = [event for event in self.confirmed if not event.undone and _takes_back(event)]
        return standing[-1].number if standing else None

    def effective(self) -> tuple[Event, ...]:
        """The events that count, oldest first: those not taken back."""
        standing = [event for event in self.confirmed if not event.undone]
        standing = [event for event in standing if event.action is not Action.UNDO]
        for event in self.waiting:
            if event.action is Action.UNDO:
                for index in range(len(standing) - 1, -1, -1):
                    if _takes_back(standing[index]):
                        del standing[index]
                        break
            else:
                standing.append(event)
        return tuple(standing)

    def findings(self) -> dict[int, FindingReview]:
        """Where each finding stands that an event names."""
        found: dict[int, FindingReview] = {}
        for event in self.effective():
            if event.finding is None:
                continue
            before = found.get(event.finding, FindingReview())
            found[event.finding] = FindingReview(
                state=_STATE_AFTER.get(event.action, before.state),
                note=event.note or before.note,
                reviewer=event.reviewer,
                mask=event.mask or before.mask,
            )
        return found

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
        for event in reversed(self.effective()):
            if event.finding is None and event.action is Action.NOTE:
                return event.note
        return ""

    def with_server(self, events: tuple[Event, ...]) -> Review:
        """The review with the server's log; a waiting event that is in it waits no longer.

        An event can be on the server though its answer got lost, so the new part of the server's
        log is compared with what waits, in order.
        """
        waiting = list(self.waiting)
        for event in events[len(self.confirmed) :]:
            if waiting and _is_same(waiting[0], event):
                del waiting[0]
        return Review(events, tuple(waiting))

    def document(self) -> dict[str, Any]:
        """The log as plain values, for the scene."""
        return {
            "confirmed": [asdict(event) for event in self.confirmed],
            "waiting": [asdict(event) for event in self.waiting],
        }

    @classmethod
    def read(cls, document: Document) -> Review:
        """Read a log from a scene."""
        return cls(
            tuple(Event.read(event) for event in document.get("confirmed") or ()),
            tuple(Event.read(event) for event in document.get("waiting") or ()),
        )

    @classmethod
    def read_server(cls, document: Document) -> tuple[Event, ...]:
        """The confirmed events of the server's answer."""
        return tuple(Event.read(event) for event in document.get("events") or ())


def _is_same(waiting: Event, confirmed: Event) -> bool:
    added = waiting.action is Action.ADD  # the server chooses its number
    return (
        waiting.action is confirmed.action
        and (added or waiting.finding == confirmed.finding)
        and waiting.reviewer == confirmed.reviewer
        and waiting.note == confirmed.note
        and waiting.mask == confirmed.mask
    )


def _takes_back(event: Event) -> bool:
    """Whether `undo` takes an event back; what the server wrote by itself it does not."""
    return event.action not in (Action.UNDO, Action.OTHER)
