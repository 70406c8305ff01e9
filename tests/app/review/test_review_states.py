"""The sums of reviews are kept, and made anew only for a log that has changed."""

from pathlib import Path

import pytest

from monailabel_app.review.log import ReviewLog
from monailabel_app.review.review_states import ReviewStates
from monailabel_app.review.states import ReviewEvent
from monailabel_app.store import schema
from monailabel_app.store.database import Database


class CountingLog(ReviewLog):
    """Notes which logs are read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read: list[str] = []

    def events(self, result: str) -> tuple[ReviewEvent, ...]:
        self.read.append(result)
        return super().events(result)


@pytest.fixture
def log(tmp_path: Path) -> CountingLog:
    return CountingLog(tmp_path / "reviews")


@pytest.fixture
def states(database: Database, log: CountingLog, tmp_path: Path) -> ReviewStates:
    with database.transaction() as connection:
        for result, image in (("r1", "a"), ("r2", "a"), ("r3", "b")):
            document = f'{{"image": "{image}", "finding_count": 1}}'
            schema.insert(connection, schema.RESULTS, result, document)
    return ReviewStates(database, tmp_path / "reviews", log)


def test_a_log_is_read_once_for_each_change(states: ReviewStates, log: CountingLog) -> None:
    assert states.by_image() == {}
    log.append("r1", 1, ReviewEvent("accept", "AB", finding=1))
    log.append("r3", 1, ReviewEvent("confirm_normal", "AB"))
    log.read.clear()
    found = states.by_image()
    assert (found["a"].state, found["a"].confirmed_normal) == ("in_review", False)
    assert (found["b"].state, found["b"].confirmed_normal) == ("reviewed", True)
    for _ in range(3):
        assert states.by_image() == found
    assert sorted(log.read) == ["r1", "r3"]
    log.append("r1", 1, ReviewEvent("final", "AB"))
    log.read.clear()
    assert states.by_image()["a"].state == "reviewed"
    assert log.read == ["r1"]


def test_the_result_that_was_reviewed_last_counts(states: ReviewStates, log: CountingLog) -> None:
    log.append("r2", 1, ReviewEvent("final", "AB"))
    log.append("r1", 1, ReviewEvent("note", "AB", note="later"))
    assert states.by_image()["a"].result == "r1"


def test_of_two_in_the_same_second_the_one_that_marks_something_counts(
    states: ReviewStates, log: CountingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monailabel_app.review.log.now", lambda: "2026-01-01T00:00:00Z")
    log.append("r1", 1, ReviewEvent("accept", "AB", finding=1))
    log.append("r2", 1, ReviewEvent("confirm_normal", "AB"))
    latest = states.by_image()["a"]
    assert (latest.result, latest.marks_something) == ("r1", True)


def test_a_damaged_log_hides_no_other(
    states: ReviewStates, log: CountingLog, tmp_path: Path
) -> None:
    log.append("r3", 1, ReviewEvent("accept", "AB", finding=1))
    (tmp_path / "reviews" / "r1.jsonl").write_text('{"no": "event"}\n')
    assert set(states.by_image()) == {"b"}
