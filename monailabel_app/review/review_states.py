"""Where the review of each result stands, so that a list of images need not read every event."""

from collections.abc import Collection
from dataclasses import dataclass

from monailabel_app.review.states import Review
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import REVIEW_STATES


@dataclass(frozen=True)
class ReviewState:
    """The sum of a result's review.

    Attributes:
        result: id of the result.
        image: its image.
        version: the highest number that an event of it was given, also of one that was lost.
        event_count: how many events it was added up from.
        place: of the latest of them among the events of all results of the image, from 1.
        state: `unreviewed`, `in_review` or `reviewed`.
        confirmed_normal: the study was found normal.
        marks_something: a finding counts, or the stored final label marks a voxel.
    """

    result: str
    image: str
    version: int
    event_count: int
    place: int
    state: str
    confirmed_normal: bool
    marks_something: bool

    @classmethod
    def of(cls, result: str, image: str, review: Review, place: int, version: int) -> "ReviewState":
        """The sum of a review; the other arguments are as the attributes say."""
        return cls(
            result=result,
            image=image,
            version=version,
            event_count=len(review.events),
            place=place,
            state=review.state,
            confirmed_normal=review.confirmed_normal,
            marks_something=review.marks_something,
        )


class ReviewStates:
    """The sums of all reviews, which `ReviewLog` writes together with the events.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._records = Records(database, REVIEW_STATES, ReviewState)

    def get(self, result: str) -> ReviewState | None:
        """Where the review of a result stands; None without one."""
        return self._records.get(result)

    def put(self, state: ReviewState) -> None:
        """Replace what is known of a review."""
        self._records.put(state.result, state)

    def all(self) -> list[ReviewState]:
        """Where every review stands."""
        return self._records.find()

    def by_image(self, without: Collection[str] = ()) -> dict[str, ReviewState]:
        """The review of each image that has one: of its results, the one written to last.

        Args:
            without: ids of results that do not count.
        """
        states = (state for state in self.all() if state.result not in without)
        return {state.image: state for state in sorted(states, key=lambda s: s.place)}
