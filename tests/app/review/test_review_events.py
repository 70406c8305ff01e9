"""The store of review events: a log that only grows."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from monailabel_app.failures import RequestError
from monailabel_app.review.review_events import ReviewEvents
from monailabel_app.review.states import ReviewEvent
from monailabel_app.store.database import Database


@pytest.fixture
def events(database: Database) -> ReviewEvents:
    return ReviewEvents(database)


def event(note: str = "") -> ReviewEvent:
    return ReviewEvent("note", "Ö 山", note=note)


def test_events_are_numbered_and_stay(events: ReviewEvents) -> None:
    first, second = (events.append("r", event(note)) for note in ("a", "zwei\nZeilen \u2028"))
    events.append("s", event())
    assert (first.event, second.event) == (1, 2)
    assert first.time
    assert events.events("r") == (first, second)
    assert events.results() == ("r", "s")


def test_an_event_on_an_outdated_review_is_refused(events: ReviewEvents) -> None:
    events.append("r", event(), expected=0)
    with pytest.raises(RequestError) as refused:
        events.append("r", event(), expected=0)
    assert refused.value.code == "review_changed"
    assert len(events.events("r")) == 1


def test_lines_of_a_log_come_over_and_what_is_no_event_is_named(
    events: ReviewEvents, database: Database, tmp_path: Path
) -> None:
    lines = [
        json.dumps({**asdict(event("a")), "event": 1}),
        "no event",
        json.dumps({**asdict(event("b")), "event": 2, "later": True}),
        json.dumps({"action": 3}),
        '{"action": "accept", "rev',  # cut off when the server was killed
    ]
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert events.import_log(path) == 2
    assert [stored.note for stored in events.events("r")] == ["a", "b"]
    assert [note.name for note in database.all_set_aside()] == ["r.jsonl:2", "r.jsonl:4"]
    assert events.append("r", event()).event == 3
