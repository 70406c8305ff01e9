"""What events add up to, and that a log survives the server being killed while it writes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monailabel_app.failures import RequestError
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.states import ReviewEvent, review_of


@pytest.fixture
def log(tmp_path: Path) -> ReviewLog:
    return ReviewLog(tmp_path)


def event(action: str, finding: int | None = None, **more: object) -> ReviewEvent:
    return ReviewEvent(action, "AB", finding=finding, **more)


def states(log: ReviewLog, findings: int = 3) -> list[str]:
    return [finding.state for finding in review_of(findings, log.events("r")).findings]


def test_decisions_move_findings_and_undo_takes_them_back(log: ReviewLog) -> None:
    log.append("r", 3, event("accept", 1))
    log.append("r", 3, event("reject", 2))
    log.append("r", 3, event("accept", 2))
    assert states(log) == ["accepted", "accepted", "open"]
    log.append("r", 3, event("undo"))
    assert states(log) == ["accepted", "rejected", "open"]
    log.append("r", 3, event("undo"))
    assert states(log) == ["accepted", "open", "open"]
    log.append("r", 3, event("undo", undoes=1))
    assert states(log) == ["open", "open", "open"]
    with pytest.raises(RequestError, match="nothing to undo"):
        log.append("r", 3, event("undo"))
    assert len(log.events("r")) == 6


def test_an_added_region_gets_the_next_number_and_can_be_rejected(log: ReviewLog) -> None:
    review = log.append("r", 1, event("add", mask="a" * 64))
    assert [(f.finding, f.state) for f in review.findings] == [(1, "open"), (2, "added")]
    review = log.append("r", 1, event("reject", 2))
    assert review.findings[1].state == "rejected"


def test_the_study_is_reviewed_after_the_final_label_until_something_changes(
    log: ReviewLog,
) -> None:
    assert review_of(1, ()).state == "unreviewed"
    assert log.append("r", 1, event("reject", 1)).state == "in_review"
    review = log.append("r", 1, event("final", mask="b" * 64))
    assert review.state == "reviewed"
    assert review.confirmed_normal
    assert log.append("r", 1, event("note", note="looked twice")).state == "reviewed"
    review = log.append("r", 1, event("accept", 1))
    assert review.state == "in_review"
    assert not review.confirmed_normal
    assert review.final is not None
    assert not log.append("r", 1, event("final", mask="c" * 64)).confirmed_normal


def test_a_study_with_a_drawn_label_is_not_normal_though_every_finding_was_rejected(
    log: ReviewLog,
) -> None:
    log.append("r", 1, event("reject", 1))
    review = log.append("r", 1, event("final", mask="d" * 64, marked=True))
    assert review.state == "reviewed"
    assert not review.confirmed_normal


def test_a_study_confirmed_as_normal_is_normal_whatever_its_findings(log: ReviewLog) -> None:
    review = log.append("r", 2, event("confirm_normal"))
    assert review.state == "reviewed"
    assert review.confirmed_normal


def test_an_event_on_an_outdated_review_is_refused(log: ReviewLog) -> None:
    log.append("r", 1, event("accept", 1), expected=0)
    with pytest.raises(RequestError) as refused:
        log.append("r", 1, event("reject", 1), expected=0)
    assert refused.value.code == "review_changed"
    assert states(log, 1) == ["accepted"]


@pytest.mark.parametrize("finding", [0, 4, None])
def test_an_event_on_no_finding_is_refused(log: ReviewLog, finding: int | None) -> None:
    with pytest.raises(RequestError) as refused:
        log.append("r", 3, event("accept", finding))
    assert refused.value.code == "unknown_finding"
    assert log.events("r") == ()


def test_half_a_line_left_by_a_killed_server_does_no_harm(log: ReviewLog, tmp_path: Path) -> None:
    log.append("r", 2, event("accept", 1))
    path = tmp_path / "r.jsonl"
    path.write_bytes(path.read_bytes() + b'{"action": "reject", "finding"')
    assert states(log, 2) == ["accepted", "open"]
    log.append("r", 2, event("reject", 2))
    assert states(log, 2) == ["accepted", "rejected"]
    assert [e.event for e in log.events("r")] == [1, 2]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["accept", "reject", "reopen", "note", "undo"]), st.integers(1, 3)
        ),
        max_size=20,
    )
)
def test_undoing_everything_leaves_nothing(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int]]
) -> None:
    log = ReviewLog(tmp_path_factory.mktemp("log"))
    for action, finding in actions:
        try:
            log.append("r", 3, event(action, None if action == "undo" else finding))
        except RequestError:
            assert action == "undo"
    for _ in range(20):
        try:
            review = log.append("r", 3, event("undo"))
        except RequestError:
            break
        assert review.version == len(log.events("r"))
    review = review_of(3, log.events("r"))
    assert review.state == "unreviewed"
    assert {finding.state for finding in review.findings} == {"open"}


def test_text_in_any_script_comes_back(log: ReviewLog) -> None:
    log.append("r", 1, ReviewEvent("note", "Ö 山", note="zwei\nZeilen \u2028 und mehr"))
    (stored,) = log.events("r")
    assert (stored.reviewer, stored.note) == ("Ö 山", "zwei\nZeilen \u2028 und mehr")
