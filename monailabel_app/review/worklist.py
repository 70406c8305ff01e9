"""The images with what is known of each, and which one comes next."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from monailabel.interfaces.datastore import Datastore

from monailabel_app.analysis.results import ResultRecord, ResultStore
from monailabel_app.normals.support_sets import Member, SupportSets
from monailabel_app.review.log import ReviewLog
from monailabel_app.review.states import Review, latest_review, review_of
from monailabel_app.studies.images import ImageCatalogue


class Strategy(str, Enum):
    """How the next case is chosen."""

    MOST_ANOMALOUS = "most_anomalous"
    MOST_UNCERTAIN = "most_uncertain"
    UNREVIEWED = "unreviewed"


@dataclass(frozen=True)
class Entry:
    """What is known of an image.

    Attributes:
        image: its id.
        state: `unreviewed`, `in_review` or `reviewed`.
        labels: tags of the labels in the datastore.
        result: id of the latest result with the support set asked for, None without one.
        case_score: its case score.
        threshold: score that separates a finding from the normal in that result.
        support_sets: names of the sets that the image belongs to.
        confirmed_normal: a reviewer found it normal.
    """

    image: str
    state: str
    labels: tuple[str, ...]
    result: str | None
    case_score: float | None
    threshold: float | None
    support_sets: tuple[str, ...]
    confirmed_normal: bool


@dataclass(frozen=True)
class Choice:
    """The next case.

    Attributes:
        entry: what is known of it.
        remaining: number of images that are not reviewed, it included.
        reason: one sentence for people.
    """

    entry: Entry
    remaining: int
    reason: str


class Worklist:
    """Puts together what the parts of the server know of each image.

    Args:
        images: the studies of the server.
        datastore: MONAI Label's, for the labels.
        results: the stored results.
        reviews: the review logs.
        support_sets: the support sets.
    """

    def __init__(
        self,
        images: ImageCatalogue,
        datastore: Datastore,
        results: ResultStore,
        reviews: ReviewLog,
        support_sets: SupportSets,
    ) -> None:
        self._images = images
        self._datastore = datastore
        self._results = results
        self._reviews = reviews
        self._support_sets = support_sets

    def entries(self, support_set: str) -> list[Entry]:
        """Every image, sorted by id."""
        records = self._results.records()
        sets = {name: self._support_sets.get(name).members for name in self._support_sets.names()}
        by_image: dict[str, list[ResultRecord]] = {}
        for record in records:
            by_image.setdefault(record.image, []).append(record)
        entries = []
        for image in self._images.identifiers():
            own = by_image.get(image, [])
            latest = next((record for record in own if record.support_set == support_set), None)
            review = self._review(own)
            members = [m for found in sets.values() for m in found if m.image == image]
            entries.append(
                Entry(
                    image,
                    review.state if review else "unreviewed",
                    tuple(sorted(self._datastore.get_labels_by_image_id(image))),
                    latest.id if latest else None,
                    latest.case_score if latest else None,
                    latest.threshold if latest else None,
                    tuple(n for n, found in sets.items() if any(m.image == image for m in found)),
                    _is_normal(review, members),
                )
            )
        return entries

    def _review(self, records: Sequence[ResultRecord]) -> Review | None:
        return latest_review(
            review_of(record.finding_count, self._reviews.events(record.id)) for record in records
        )

    def next(
        self, strategy: Strategy, support_set: str, exclude: Collection[str] = ()
    ) -> Choice | None:
        """The next image that is not reviewed, None when all are."""
        left = [
            entry
            for entry in self.entries(support_set)
            if entry.state != "reviewed"
            and not entry.confirmed_normal
            and support_set not in entry.support_sets
        ]
        candidates = [entry for entry in left if entry.image not in exclude]
        if not candidates:
            return None
        return choose(strategy, candidates, len(left))


def _is_normal(review: Review | None, members: Sequence[Member]) -> bool:
    """Whether a reviewer found an image normal and nobody marked anything in it since."""
    if review is not None and review.marks_something:
        return False
    confirmed = any(member.confirmed_normal for member in members)
    return confirmed or (review is not None and review.confirmed_normal)


def choose(strategy: Strategy, candidates: Sequence[Entry], remaining: int) -> Choice:
    """Pick one of some images, at least one; images without a score come after those with one."""
    scored = [e for e in candidates if e.case_score is not None and e.threshold is not None]
    if strategy is Strategy.UNREVIEWED or not scored:
        untouched = [e for e in candidates if e.state == "unreviewed"] or list(candidates)
        why = "" if strategy is Strategy.UNREVIEWED else " None of them is scored yet."
        return Choice(untouched[0], remaining, f"The first of {remaining} to review.{why}")
    if strategy is Strategy.MOST_ANOMALOUS:
        best = max(scored, key=_score)
        reason = f"Highest case score ({_score(best):.1f} z) of {remaining} to review."
        return Choice(best, remaining, reason)
    best = min(scored, key=_distance)
    reason = (
        f"Case score ({_score(best):.1f} z) nearest the threshold ({best.threshold:.1f} z) "
        f"of {remaining} to review."
    )
    return Choice(best, remaining, reason)


def _score(entry: Entry) -> float:
    return entry.case_score if entry.case_score is not None else float("-inf")


def _distance(entry: Entry) -> float:
    return abs(_score(entry) - (entry.threshold or 0.0))
