"""What a panel shows of a review: the server's log, and what waits to be sent."""

from __future__ import annotations

from collections.abc import Iterable

from D24FADSlicerLib.logic.review import Review
from D24FADSlicerLib.logic.review_events import Action

from monailabel_app.review import states as reducer


def check_overlay(review: Review, log: list[reducer.ReviewEvent], count: int) -> None:
    """The panel shows the log up to what it has seen, and behind it what waits."""
    seen = review.server
    events = list(log[: seen.version])
    numbers = {event.key: event.event for event in events}
    highest = max([count, *(event.finding or 0 for event in events)])
    for waiting in review.waiting:
        number, finding = len(events) + 1, waiting.finding
        if waiting.action is Action.ADD:
            highest = finding = highest + 1
        numbers[waiting.key] = number
        events.append(
            reducer.ReviewEvent(
                waiting.action.value,
                waiting.reviewer,
                event=number,
                finding=finding,
                note=waiting.note,
                mask=waiting.mask,
                undoes=numbers.get(waiting.target),
            )
        )
    expected = reducer.review_of(count, events)
    own = {n: (f.state.value, f.mask, f.note) for n, f in review.findings().items()}
    assert own == shown(expected.findings)
    assert review.study_note == expected.note


def shown(findings: Iterable[reducer.FindingReview]) -> dict[int, tuple[str, str | None, str]]:
    """What the list of findings shows."""
    return {f.finding: (f.state, f.mask, f.note) for f in findings}
