"""What events add up to, and what the log takes, refuses and survives."""

import sqlite3
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monailabel_app.failures import RequestError
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.states import ReviewEvent, review_of
from monailabel_app.store import schema
from monailabel_app.store.database import Database
from monailabel_app.store.recovery import open_database


@dataclass(frozen=True)
class Analysed:
    """A result, as the log needs it."""

    finding_count: int
    id: str = "r"
    image: str = "i"


@pytest.fixture
def log(database: Database) -> ReviewLog:
    return ReviewLog(database)


def event(action: str, finding: int | None = None, **more: object) -> ReviewEvent:
    return ReviewEvent(action, "AB", finding=finding, **more)


def states(log: ReviewLog, findings: int = 3) -> list[str]:
    return [finding.state for finding in review_of(findings, log.events("r")).findings]


def test_decisions_move_findings_and_undo_takes_them_back(log: ReviewLog) -> None:
    log.append(Analysed(3), event("accept", 1))
    log.append(Analysed(3), event("reject", 2))
    log.append(Analysed(3), event("accept", 2))
    assert states(log) == ["accepted", "accepted", "open"]
    log.append(Analysed(3), event("undo"))
    assert states(log) == ["accepted", "rejected", "open"]
    log.append(Analysed(3), event("undo"))
    assert states(log) == ["accepted", "open", "open"]
    log.append(Analysed(3), event("undo", undoes=1))
    assert states(log) == ["open", "open", "open"]
    with pytest.raises(RequestError, match="nothing to undo"):
        log.append(Analysed(3), event("undo"))
    assert len(log.events("r")) == 6


def test_an_added_region_gets_the_next_number_and_can_be_rejected(log: ReviewLog) -> None:
    review = log.append(Analysed(1), event("add", mask="a" * 64))
    assert [(f.finding, f.state) for f in review.findings] == [(1, "open"), (2, "added")]
    review = log.append(Analysed(1), event("reject", 2))
    assert review.findings[1].state == "rejected"


def test_the_study_is_reviewed_after_the_final_label_until_something_changes(
    log: ReviewLog,
) -> None:
    assert review_of(1, ()).state == "unreviewed"
    assert log.append(Analysed(1), event("reject", 1)).state == "in_review"
    review = log.append(Analysed(1), event("final", mask="b" * 64))
    assert review.state == "reviewed"
    assert review.confirmed_normal
    assert log.append(Analysed(1), event("note", note="looked twice")).state == "reviewed"
    review = log.append(Analysed(1), event("accept", 1))
    assert review.state == "in_review"
    assert not review.confirmed_normal
    assert review.final is not None
    assert not log.append(Analysed(1), event("final", mask="c" * 64)).confirmed_normal


def test_a_study_with_a_drawn_label_is_not_normal_though_every_finding_was_rejected(
    log: ReviewLog,
) -> None:
    log.append(Analysed(1), event("reject", 1))
    review = log.append(Analysed(1), event("final", mask="d" * 64, marked=True))
    assert review.state == "reviewed"
    assert not review.confirmed_normal


def test_a_study_confirmed_as_normal_is_normal_whatever_its_findings(log: ReviewLog) -> None:
    review = log.append(Analysed(2), event("confirm_normal"))
    assert review.state == "reviewed"
    assert review.confirmed_normal


def test_an_event_on_an_outdated_review_is_refused(log: ReviewLog) -> None:
    log.append(Analysed(1), event("accept", 1), expected=0)
    with pytest.raises(RequestError) as refusal:
        log.append(Analysed(1), event("reject", 1), expected=0)
    assert refusal.value.code == "review_changed"
    assert states(log, 1) == ["accepted"]


@pytest.mark.parametrize("finding", [0, 4, None])
def test_an_event_on_no_finding_is_refused(log: ReviewLog, finding: int | None) -> None:
    with pytest.raises(RequestError) as refusal:
        log.append(Analysed(3), event("accept", finding))
    assert refusal.value.code == "unknown_finding"
    assert log.events("r") == ()


def damage(database: Database, key: str) -> None:
    """Change a row as a failing disk does, without its digest."""
    with database.transaction() as connection:
        connection.execute(
            f"UPDATE {schema.REVIEW_EVENTS} SET document = replace(document, 'AB', 'XY') "
            "WHERE key = ?",
            (key,),
        )


def test_a_damaged_event_is_set_aside_alone_and_its_number_is_not_given_again(
    log: ReviewLog, database: Database
) -> None:
    for finding in (1, 2, 3):
        log.append(Analysed(3), event("accept", finding))
    damage(database, "r/00000003")
    assert states(log) == ["accepted", "accepted", "open"]
    assert log.lost("r") == (3,)
    (note,) = database.all_set_aside()
    assert (note.kind, note.name) == (schema.REVIEW_EVENTS, "r/00000003")
    # Whoever saw the lost event has not seen what is said now.
    with pytest.raises(RequestError) as refusal:
        log.append(Analysed(3), event("reject", 1), expected=3)
    assert refusal.value.code == "review_changed"
    assert log.append(Analysed(3), event("reject", 3), expected=2).version == 4
    assert log.lost("r") == (3,)

    database.close()
    again = open_database(database.path)
    log = ReviewLog(again)
    log.add_up()
    assert states(log) == ["accepted", "accepted", "rejected"]
    assert log.lost("r") == (3,)
    assert log.append(Analysed(3), event("accept", 3)).version == 5


def test_an_event_whose_row_is_damaged_is_not_said_to_be_written(
    log: ReviewLog, database: Database
) -> None:
    """Sent again, its key is taken by a row that cannot be read."""
    sent = event("accept", 1, key="once")
    log.append(Analysed(1), sent)
    damage(database, "r/00000001")
    with pytest.raises(OSError, match="restart"):
        log.append(Analysed(1), sent)
    assert log.states.get("r").event_count == 1


def test_an_event_and_the_sum_of_its_review_are_written_together(
    log: ReviewLog, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(state: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(log.states, "put", fail)
    with pytest.raises(OSError, match="disk"):
        log.append(Analysed(1), event("accept", 1))
    assert log.events("r") == ()


def test_events_of_an_image_are_in_one_order_whatever_result_they_are_of(log: ReviewLog) -> None:
    one, other, elsewhere = Analysed(1, "r"), Analysed(1, "s"), Analysed(1, "t", "another")
    for result in (other, one, elsewhere, other):
        log.append(result, event("note", note="seen"))
    assert [log.states.get(result.id).place for result in (one, other, elsewhere)] == [2, 3, 1]
    assert log.latest([one, other]) is other
    assert log.latest([Analysed(1, "unreviewed")]) is None


def test_an_event_that_is_sent_twice_is_written_once(log: ReviewLog) -> None:
    sent = event("accept", 1, key="once")
    first = log.append(Analysed(1), sent, expected=0)
    assert log.append(Analysed(1), sent, expected=0) == first
    with pytest.raises(RequestError, match="another event"):
        log.append(Analysed(1), event("reject", 1, key="once"))
    # A key names an event of one result.
    log.append(Analysed(1, "s"), sent)
    assert log.results() == ("r", "s")


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
    log = ReviewLog(open_database(tmp_path_factory.mktemp("log") / "state.sqlite3"))
    for action, finding in actions:
        try:
            log.append(Analysed(3), event(action, None if action == "undo" else finding))
        except RequestError:
            assert action == "undo"
    for _ in range(20):
        try:
            review = log.append(Analysed(3), event("undo"))
        except RequestError:
            break
        assert review.version == len(log.events("r"))
    review = review_of(3, log.events("r"))
    assert review.state == "unreviewed"
    assert {finding.state for finding in review.findings} == {"open"}


def test_text_in_any_script_comes_back(log: ReviewLog) -> None:
    log.append(Analysed(1), ReviewEvent("note", "Ö 山", note="zwei\nZeilen \u2028 und mehr"))
    (only_event,) = log.events("r")
    assert (only_event.reviewer, only_event.note) == ("Ö 山", "zwei\nZeilen \u2028 und mehr")
