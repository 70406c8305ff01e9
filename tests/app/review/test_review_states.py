"""The sums of reviews are written with the events, and added up again where some are damaged."""

import pytest

from monailabel_app.review.log import ReviewLog
from monailabel_app.review.states import ReviewEvent
from monailabel_app.store import schema
from monailabel_app.store.database import Database
from tests.app.review.test_reviews import Analysed

ONE, TWO, THREE = Analysed(1, "r1", "a"), Analysed(1, "r2", "a"), Analysed(1, "r3", "b")


class CountingLog(ReviewLog):
    """Notes which reviews are read."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.reads: list[str] = []

    def _rows(self, result: str) -> list:
        self.reads.append(result)
        return super()._rows(result)


@pytest.fixture
def log(database: Database) -> CountingLog:
    with database.transaction() as connection:
        for result in (ONE, TWO, THREE):
            document = f'{{"image": "{result.image}", "finding_count": 1}}'
            schema.insert(connection, schema.RESULTS, result.id, document)
    return CountingLog(database)


def test_no_event_is_read_to_know_where_reviews_stand(log: CountingLog) -> None:
    assert log.states.by_image() == {}
    log.append(ONE, ReviewEvent("accept", "AB", finding=1))
    log.append(THREE, ReviewEvent("confirm_normal", "AB"))
    log.reads.clear()
    states = log.states.by_image()
    assert (states["a"].state, states["a"].confirmed_normal) == ("in_review", False)
    assert (states["b"].state, states["b"].confirmed_normal) == ("reviewed", True)
    log.add_up()
    assert log.reads == []
    log.append(ONE, ReviewEvent("final", "AB"))
    assert log.states.by_image()["a"].state == "reviewed"


def test_the_result_that_was_reviewed_last_counts(
    log: CountingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of two in the same second."""
    monkeypatch.setattr("monailabel_app.review.log.now", lambda: "2026-01-01T00:00:00Z")
    log.append(TWO, ReviewEvent("final", "AB"))
    log.append(ONE, ReviewEvent("accept", "AB", finding=1))
    latest = log.states.by_image()["a"]
    assert (latest.result, latest.marks_something) == ("r1", True)
    log.append(TWO, ReviewEvent("confirm_normal", "AB"))
    assert log.states.by_image()["a"].result == "r2"


def test_sums_that_are_lost_or_of_other_events_are_made_again(
    log: CountingLog, database: Database
) -> None:
    log.append(ONE, ReviewEvent("accept", "AB", finding=1))
    log.append(ONE, ReviewEvent("final", "AB"))
    log.append(THREE, ReviewEvent("accept", "AB", finding=1))
    before = log.states.by_image()
    with database.transaction() as connection:
        connection.execute(f"DELETE FROM {schema.REVIEW_STATES} WHERE key = 'r3'")
        connection.execute(f"DELETE FROM {schema.REVIEW_EVENTS} WHERE key = 'r1/00000002'")
    log.add_up()
    after = log.states.by_image()
    assert after["b"] == before["b"]
    assert (after["a"].state, after["a"].version, after["a"].event_count) == ("in_review", 2, 1)
    assert log.lost("r1") == (2,)
