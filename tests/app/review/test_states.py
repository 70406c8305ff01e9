"""What events add up to."""

from typing import Any

import pytest

from monailabel_app.failures import RequestError
from monailabel_app.review.states import Review, ReviewEvent, admit, review_of
from tests.contracts import REVIEWS


def log_of(case: dict[str, Any]) -> list[ReviewEvent]:
    return [
        ReviewEvent(reviewer="AB", event=number, time=f"t{number}", **event)
        for number, event in enumerate(case["events"], start=1)
    ]


def states(review: Review) -> dict[str, list[str | None]]:
    return {str(f.finding): [f.state, f.mask] for f in review.findings}


@pytest.mark.parametrize("case", REVIEWS, ids=lambda case: case["name"])
def test_the_contract(case: dict[str, Any]) -> None:
    review = review_of(case["findings"], log_of(case))
    assert states(review) == case["states"]
    assert (review.state, review.note) == (case["state"], case["note"])


@pytest.mark.parametrize("case", REVIEWS, ids=lambda case: case["name"])
def test_what_was_before_an_event_is_what_undo_leads_to(case: dict[str, Any]) -> None:
    events = log_of(case)
    review = review_of(case["findings"], events)
    if not review.before:
        return
    latest = max(review.before)
    undo = admit(review, ReviewEvent("undo", "CD", event=len(events) + 1))
    assert undo.undoes == latest
    after = review_of(case["findings"], [*events, undo])
    finding = events[latest - 1].finding
    before = review.before[latest]
    assert next((f for f in after.findings if f.finding == finding), None) == before.finding
    assert after.note == before.note


@pytest.mark.parametrize(
    "later", [["accept"], ["reopen", "accept"], ["reject", "accept"], ["note", "accept"]]
)
def test_edit_save_accept_save_keeps_the_outline(later: list[str]) -> None:
    events = [
        ReviewEvent("edit", "AB", event=1, finding=1, mask="a" * 64),
        ReviewEvent("final", "AB", event=2, mask="b" * 64, marked=True),
    ]
    for number, action in enumerate(later, start=3):
        events.append(ReviewEvent(action, "AB", event=number, finding=1))
    (finding,) = review_of(1, events).findings
    assert (finding.state, finding.mask) == ("edited", "a" * 64)


def test_an_accepted_finding_is_not_confirmed_as_normal() -> None:
    review = review_of(1, [ReviewEvent("accept", "AB", event=1, finding=1)])
    with pytest.raises(RequestError, match="findings 1") as refusal:
        admit(review, ReviewEvent("confirm_normal", "CD"))
    assert refusal.value.code == "findings_accepted"
    drawn = review_of(0, [ReviewEvent("final", "AB", event=1, mask="a" * 64, marked=True)])
    with pytest.raises(RequestError, match="label"):
        admit(drawn, ReviewEvent("confirm_normal", "CD"))


def test_undo_by_itself_leaves_the_final_label() -> None:
    events = [
        ReviewEvent("accept", "AB", event=1, finding=1),
        ReviewEvent("final", "AB", event=2, mask="b" * 64, marked=True),
    ]
    assert admit(review_of(1, events), ReviewEvent("undo", "AB")).undoes == 1
    named = admit(review_of(1, events), ReviewEvent("undo", "AB", undoes=2))
    assert review_of(1, [*events, named]).final is None
