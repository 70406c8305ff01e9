"""Server and panel say the same of every review, whatever was sent already and whatever waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from D24FADSlicerLib.logic.review import Review
from D24FADSlicerLib.logic.review_events import Action, Event, ServerReview

from monailabel_app.api.review_routes import review_document
from monailabel_app.review.states import ReviewEvent, review_of
from tests.contracts import REVIEWS


def server_events(case: dict[str, Any]) -> list[ReviewEvent]:
    return [
        ReviewEvent(reviewer="AB", event=number, time="t", key=f"event-{number}", **event)
        for number, event in enumerate(case["events"], start=1)
    ]


def told(case: dict[str, Any], count: int) -> ServerReview:
    """What the server tells when it has so many of the events."""
    review = review_of(case["findings"], server_events(case)[:count])
    return ServerReview.read(review_document("r", "scan", review))


def states(review: Review) -> dict[str, list[str | None]]:
    return {str(f): [found.state.value, found.mask] for f, found in review.findings().items()}


@pytest.mark.parametrize("case", REVIEWS, ids=lambda case: case["name"])
def test_the_panel_shows_the_servers_states_with_what_waits(case: dict[str, Any]) -> None:
    events = case["events"]
    written_by_server = [n for n, e in enumerate(events, start=1) if e["action"] == "final"]
    for count in range(max(written_by_server, default=0), len(events) + 1):
        review = Review(told(case, count))
        for number, event in enumerate(events[count:], start=count + 1):
            if event["action"] == "undo":
                target = f"event-{event['undoes']}"
                undo = Event(Action.UNDO, None, "AB", "t", key=f"event-{number}", target=target)
                review = replace(review, waiting=(*review.waiting, undo))
                continue
            action = Action(event["action"])
            review = review.append(
                action,
                None if action is Action.ADD else event.get("finding"),
                "AB",
                event.get("note", ""),
                event.get("mask"),
                key=f"event-{number}",
            )
        assert states(review) == case["states"], f"{count} events are on the server"
        assert review.study_note == case["note"]


@pytest.mark.parametrize("case", REVIEWS, ids=lambda case: case["name"])
def test_what_the_server_told_survives_the_scene(case: dict[str, Any]) -> None:
    server = told(case, len(case["events"]))
    assert ServerReview.read(server.document()) == server
