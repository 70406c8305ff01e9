"""A reviewer's outline belongs to the finding until it is taken back or drawn anew."""

from pathlib import Path

import pytest

from monailabel_app.review.reviews import ReviewEvent, ReviewLog, review_of

MASK = "a" * 64


@pytest.mark.parametrize(
    "later", [["accept"], ["reopen", "accept"], ["reject", "accept"], ["note", "accept"]]
)
def test_edit_save_accept_save_keeps_the_outline(tmp_path: Path, later: list[str]) -> None:
    log = ReviewLog(tmp_path)
    log.append("r", 1, ReviewEvent("edit", "AB", finding=1, mask=MASK))
    log.append("r", 1, ReviewEvent("final", "AB", mask="b" * 64, marked=True))
    for action in later:
        log.append("r", 1, ReviewEvent(action, "AB", finding=1))
    (finding,) = review_of(1, log.events("r")).findings
    assert (finding.state, finding.mask) == ("edited", MASK)
