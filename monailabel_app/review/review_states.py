"""Where the review of each result stands, so that a list of images need not read every log."""

from dataclasses import dataclass
from pathlib import Path

from monailabel_app.review.log import ReviewLog
from monailabel_app.review.states import review_of
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import RESULTS, REVIEW_STATES


@dataclass(frozen=True)
class ReviewState:
    """The sum of a result's review.

    Attributes:
        result: id of the result.
        image: its image.
        log: size and time of the log that it was added up from.
        state: `unreviewed`, `in_review` or `reviewed`.
        confirmed_normal: the study was found normal.
        marks_something: a finding counts, or the stored final label marks a voxel.
        latest: when the latest event was, ISO 8601, UTC.
    """

    result: str
    image: str
    log: str
    state: str
    confirmed_normal: bool
    marks_something: bool
    latest: str


class ReviewStates:
    """The sums of all reviews; a log is read only when it has changed.

    Args:
        database: where they are kept.
        folder: where the logs lie.
        log: reads them.
    """

    def __init__(self, database: Database, folder: Path, log: ReviewLog) -> None:
        self._database = database
        self._records = Records(database, REVIEW_STATES, ReviewState)
        self._folder = folder
        self._log = log

    def by_image(self) -> dict[str, ReviewState]:
        """The review of each image that has one: as `states.latest_review` chooses it."""
        self._bring_up_to_date()
        states = sorted(self._records.find(), key=lambda s: (s.latest, s.marks_something))
        return {state.image: state for state in states}

    def _bring_up_to_date(self) -> None:
        known = {state.result: state.log for state in self._records.find()}
        there = {path.stem: _stamp(path) for path in self._folder.glob("*.jsonl")}
        changed = [result for result, stamp in there.items() if known.get(result) != stamp]
        gone = known.keys() - there.keys()
        if not changed and not gone:
            return
        with self._database.transaction():
            for result in gone:
                self._records.remove(result)
            for result in changed:
                self._add_up(result, there[result])

    def _add_up(self, result: str, stamp: str) -> None:
        rows = self._database.select(
            f"SELECT image, json_extract(document, '$.finding_count') FROM {RESULTS} WHERE key = ?",
            (result,),
        )
        if not rows:
            return  # the result was removed
        events = self._log.events(result)
        if not events:
            return  # no whole line yet
        image, finding_count = rows[0]
        review = review_of(int(finding_count), events)
        self._records.put(
            result,
            ReviewState(
                result,
                image,
                stamp,
                review.state,
                review.confirmed_normal,
                review.marks_something,
                events[-1].time,
            ),
        )


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}|{status.st_mtime_ns}"
