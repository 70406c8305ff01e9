"""Which case comes next."""

import pytest

from monailabel_app.review.worklist import Entry, Strategy, choose


def entry(image: str, score: float | None = None, state: str = "unreviewed") -> Entry:
    threshold = None if score is None else 4.0
    return Entry(image, state, (), None, score, threshold, (), False)


CASES = [entry("a", 1.0), entry("b", 9.0), entry("c", 4.5), entry("d"), entry("e", 3.0)]


@pytest.mark.parametrize(
    ("strategy", "wanted"),
    [
        (Strategy.MOST_ANOMALOUS, "b"),
        (Strategy.MOST_UNCERTAIN, "c"),
        (Strategy.UNREVIEWED, "a"),
    ],
)
def test_each_strategy_picks_its_case(strategy: Strategy, wanted: str) -> None:
    choice = choose(strategy, CASES, 5)
    assert choice.entry.image == wanted
    assert choice.remaining == 5
    assert "5 to review" in choice.reason


def test_without_any_score_the_first_comes_and_the_reason_says_so() -> None:
    choice = choose(Strategy.MOST_ANOMALOUS, [entry("x"), entry("y")], 2)
    assert choice.entry.image == "x"
    assert "scored" in choice.reason


def test_untouched_cases_come_before_those_in_review() -> None:
    choice = choose(Strategy.UNREVIEWED, [entry("x", state="in_review"), entry("y")], 2)
    assert choice.entry.image == "y"
    choice = choose(Strategy.UNREVIEWED, [entry("x", state="in_review")], 1)
    assert choice.entry.image == "x"
