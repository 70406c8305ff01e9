"""Taking over the logs of reviews that earlier versions kept in files, one for each result."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from monailabel_app.former_state import keep_beside
from monailabel_app.review.log import LoggedEvent, Reviewed, ReviewLog
from monailabel_app.review.states import ReviewEvent, review_of
from monailabel_app.store.database import Database

_KIND = "review file"
_FIELDS = {field.name for field in fields(ReviewEvent)}
_EVENT = TypeAdapter(ReviewEvent)


@dataclass(frozen=True)
class _FormerLog:
    """A file of events, and the result that they are about."""

    path: Path
    record: Reviewed
    events: tuple[ReviewEvent, ...]


def import_former_reviews(
    state: Path, database: Database, records: Sequence[Reviewed], log: ReviewLog
) -> None:
    """Put the events of all files into the database, and keep the files beside.

    Lines that are no event are set aside one by one. A file whose result is not there waits for
    it where it lies.

    Args:
        state: the server's own folder.
        database: notes what is damaged.
        records: the stored results.
        log: takes the events.
    """
    results = {record.id: record for record in records}
    logs: dict[str, list[_FormerLog]] = {}
    for path in sorted((state / "reviews").glob("*.jsonl")):
        record = results.get(path.stem)
        if record is None:
            database.set_aside(_KIND, path.name, "the result that it reviews is not there")
            continue
        events = _events(path, database)
        logs.setdefault(record.image, []).append(_FormerLog(path, record, events))
    for former in logs.values():
        refusals = log.take_over(_in_order(former))
        for each in former:
            if each.record.id in refusals:
                reason = "the database has other events of its result; the file was not taken"
                database.set_aside(_KIND, each.path.name, reason)
            keep_beside(state, each.path)
    log.add_up()


def _in_order(logs: Sequence[_FormerLog]) -> list[LoggedEvent]:
    """The events of an image in the order of their time, in that of their log before all."""
    timed = []
    for log in logs:
        # Of two in the same second the review that marks something is the later one: it must not
        # be taken for normal.
        marks = review_of(log.record.finding_count, log.events).marks_something
        latest = ""
        for event in log.events:
            latest = max(latest, event.time)
            timed.append((latest, marks, event.event, log.record, event))
    timed.sort(key=lambda each: each[:3])
    return [
        LoggedEvent(record.id, record.image, place, event)
        for place, (*_, record, event) in enumerate(timed, start=1)
    ]


def _events(path: Path, database: Database) -> tuple[ReviewEvent, ...]:
    events: list[ReviewEvent] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        event = _event(line)
        if event is None:
            if line:
                name = f"{path.name}, line {number}"
                content = line[:2000].decode("utf-8", "replace")
                database.set_aside(_KIND, name, "it is no review event", content)
        elif any(event.event == other.event or event.key == other.key for other in events):
            name = f"{path.name}, line {number}"
            database.set_aside(_KIND, name, "its number or key was given before", str(line[:2000]))
        else:
            events.append(event)
    return tuple(events)


def _event(line: bytes) -> ReviewEvent | None:
    """The event in a line; None where there is none."""
    try:
        document = json.loads(line)
        event = _EVENT.validate_python({name: document[name] for name in _FIELDS & document.keys()})
    except (ValueError, AttributeError, ValidationError):
        return None
    if event.event < 1:
        return None
    return event if event.key else replace(event, key=f"event-{event.event}")
