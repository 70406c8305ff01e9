"""What reviewers do, and what the server says of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

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
