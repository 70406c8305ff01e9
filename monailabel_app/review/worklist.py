"""The images with what is known of each, and which one comes next."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from monailabel_app.normals.support_sets import Member, SupportSets
from monailabel_app.review.review_states import ReviewState, ReviewStates
from monailabel_app.store.database import Database
from monailabel_app.store.schema import RESULTS
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.study_store import StudyStore


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
class _Score:
    """A result of an image; `case_score` and `threshold` in z units."""

    result: str
    case_score: float
    threshold: float


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

    What was found or decided on other voxels under an image's name says nothing of those that are
    there now, and is passed over.

    Args:
        images: the studies of the server.
        datastore: where the labels are.
        database: knows the results.
        states: where each review stands.
        support_sets: the support sets.
    """

    def __init__(
        self,
        images: ImageCatalogue,
        datastore: StudyStore,
        database: Database,
        states: ReviewStates,
        support_sets: SupportSets,
    ) -> None:
        self._images = images
        self._datastore = datastore
        self._database = database
        self._states = states
        self._support_sets = support_sets

    def entries(self, support_set: str) -> list[Entry]:
        """Every image, sorted by id."""
        outdated = self.outdated()
        scores = self._latest_scores(support_set, outdated)
        reviews = self._states.by_image(outdated)
        sets: dict[str, list[tuple[str, Member]]] = {}
        for name in self._support_sets.names():
            for member in self._support_sets.get(name).members:
                sets.setdefault(member.image, []).append((name, member))
        entries = []
        for image in self._images.identifiers():
            score, belongs = scores.get(image), sets.get(image, ())
            entries.append(
                Entry(
                    image,
                    reviews[image].state if image in reviews else "unreviewed",
                    tuple(sorted(self._datastore.get_labels_by_image_id(image))),
                    score.result if score else None,
                    score.case_score if score else None,
                    score.threshold if score else None,
                    tuple(name for name, _ in belongs),
                    self._is_normal(reviews.get(image), [member for _, member in belongs]),
                )
            )
        return entries

    def outdated(self) -> frozenset[str]:
        """Ids of the results of images whose content has changed since."""
        rows = self._database.select(
            f"SELECT key, image, json_extract(document, '$.image_sha256') FROM {RESULTS} "
            "WHERE json_valid(document)"
        )
        present = set(self._images.identifiers())
        analysed = {image for _, image, _ in rows if image in present}
        current = {image: self._images.current_hash(image) for image in analysed}
        return frozenset(
            key
            for key, image, sha256 in rows
            if sha256 and current.get(image) not in (None, sha256)
        )

    def _latest_scores(self, support_set: str, outdated: Collection[str]) -> dict[str, _Score]:
        """The score of each image's latest result with a support set."""
        rows = self._database.select(
            "SELECT image, key, json_extract(document, '$.case_score'), "
            "json_extract(document, '$.threshold') "
            f"FROM {RESULTS} WHERE support_set = ? AND json_valid(document) ORDER BY created",
            (support_set,),
        )
        return {image: _Score(*values) for image, *values in rows if values[0] not in outdated}

    def _is_normal(self, review: ReviewState | None, members: Sequence[Member]) -> bool:
        """Whether a reviewer found an image normal and nobody marked anything in it since."""
        if review is not None and review.marks_something:
            return False
        if review is not None and review.confirmed_normal:
            return True
        return any(member.confirmed_normal and self._is_same(member) for member in members)

    def _is_same(self, member: Member) -> bool:
        """Whether a study is the one that was confirmed."""
        return not member.sha256 or self._images.current_hash(member.image) in (
            None,
            member.sha256,
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
