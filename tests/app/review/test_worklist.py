"""Which case comes next."""

from types import SimpleNamespace
from typing import Any

import pytest

from monailabel_app.normals.support_sets import Member, SupportSetRecord
from monailabel_app.review.review_states import ReviewState, ReviewStates
from monailabel_app.review.worklist import Entry, Strategy, Worklist, choose
from monailabel_app.store import schema
from monailabel_app.store.database import Database


def entry(image: str, score: float | None = None, state: str = "unreviewed") -> Entry:
    threshold = None if score is None else 4.0
    return Entry(image, state, (), None, score, threshold, (), False)


CASES = [entry("a", 1.0), entry("b", 9.0), entry("c", 4.5), entry("d"), entry("e", 3.0)]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.MOST_ANOMALOUS, "b"),
        (Strategy.MOST_UNCERTAIN, "c"),
        (Strategy.UNREVIEWED, "a"),
    ],
)
def test_each_strategy_picks_its_case(strategy: Strategy, expected: str) -> None:
    choice = choose(strategy, CASES, 5)
    assert choice.entry.image == expected
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


def result(
    database: Database,
    name: str,
    image: str,
    created: str,
    score: float,
    of: str,
    sha256: str = "as analysed",
) -> None:
    document = (
        f'{{"image": "{image}", "created": "{created}", "support_set": "{of}", '
        f'"case_score": {score}, "threshold": 4.0, "image_sha256": "{sha256}"}}'
    )
    with database.transaction() as connection:
        schema.insert(connection, schema.RESULTS, name, document)


def test_entries_put_together_what_is_known_of_each_image(database: Database) -> None:
    result(database, "r1", "a", "2026-01-01", 1.0, "brain")
    result(database, "r2", "a", "2026-01-03", 2.0, "brain")
    result(database, "r3", "a", "2026-01-04", 3.0, "other")
    result(database, "r4", "b", "2026-01-02", 4.0, "other")
    result(database, "r5", "gone", "2026-01-02", 4.0, "brain")
    states = {
        "a": ReviewState("r1", "a", 1, 1, 1, "in_review", False, True),
        "b": ReviewState("r4", "b", 1, 1, 1, "reviewed", True, False),
    }
    sets = {
        # Something was marked in `a` since it was confirmed: it is not normal any more.
        "brain": SupportSetRecord(
            "brain", members=(Member("c"), Member("a", confirmed_normal=True))
        ),
        "other": SupportSetRecord("other", members=(Member("c", confirmed_normal=True),)),
    }
    parts: Any = SimpleNamespace(
        identifiers=lambda: ("a", "b", "c"),
        get_labels_by_image_id=lambda image: {"final": image} if image == "b" else {},
        by_image=lambda without: states,
        current_hash=lambda image: "as analysed",
        names=lambda: tuple(sets),
        get=sets.__getitem__,
    )
    worklist = Worklist(parts, parts, database, parts, parts)
    assert worklist.entries("brain") == [
        Entry("a", "in_review", (), "r2", 2.0, 4.0, ("brain",), False),
        Entry("b", "reviewed", ("final",), None, None, None, (), True),
        Entry("c", "unreviewed", (), None, None, None, ("brain", "other"), True),
    ]
    assert worklist.entries("other")[0].result == "r3"


def test_nothing_of_other_voxels_under_the_same_name_counts(database: Database) -> None:
    """A file was replaced: neither score nor review nor confirmation is of what is there now."""
    for number, image in enumerate(("a", "b", "c")):
        result(database, f"old-{image}", image, "2026-01-01", 1.0 + number, "brain", "before")
    result(database, "new-b", "b", "2026-01-02", 7.0, "brain", "now")
    states = ReviewStates(database)
    for image in ("a", "b", "c"):
        states.put(ReviewState(f"old-{image}", image, 1, 1, 1, "reviewed", True, False))
    confirmed = (
        Member("a", confirmed_normal=True, sha256="before"),
        Member("b", confirmed_normal=True, sha256="now"),
    )
    sets = {
        "brain": SupportSetRecord("brain"),
        "other": SupportSetRecord("other", members=confirmed),
    }
    hashes = {"a": "now", "b": "now", "c": None}  # nothing is fetched from a PACS
    parts: Any = SimpleNamespace(
        identifiers=lambda: ("a", "b", "c"),
        get_labels_by_image_id=lambda image: {},
        current_hash=hashes.__getitem__,
        names=lambda: tuple(sets),
        get=sets.__getitem__,
    )
    worklist = Worklist(parts, parts, database, states, parts)
    assert worklist.entries("brain") == [
        Entry("a", "unreviewed", (), None, None, None, ("other",), False),
        Entry("b", "unreviewed", (), "new-b", 7.0, 4.0, ("other",), True),
        Entry("c", "reviewed", (), "old-c", 3.0, 4.0, (), True),
    ]
    choice = worklist.next(Strategy.MOST_ANOMALOUS, "brain")
    assert choice is not None and choice.entry.image == "a"
