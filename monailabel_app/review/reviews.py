"""What may be written into the review of a result, and how its final label is stored."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from monailabel_app.analysis.encodings import read_mask, write_labels
from monailabel_app.analysis.results import ResultRecord, StoredResult
from monailabel_app.failures import RequestError
from monailabel_app.review.final_labels import FINAL, FinalLabels, Labels
from monailabel_app.review.label_files import read_label
from monailabel_app.review.log import Reviewed, ReviewLog, require_same, require_version
from monailabel_app.review.reviewed_masks import ReviewedMasks
from monailabel_app.review.states import (
    Review,
    ReviewEvent,
    require_nothing_marked,
    review_of,
)


class Results(Protocol):
    """The stored results, as reviews need them."""

    def records(self, image: str | None = None) -> list[ResultRecord]:
        """What is stored, newest first; of one image where it is named."""

    def get(self, identifier: str) -> StoredResult:
        """The result with this id."""


@dataclass(frozen=True)
class FinalLabel:
    """A final label that was stored.

    Attributes:
        review: the review with the event of it.
        mask: its file.
    """

    review: Review
    mask: Path


class Reviews:
    """The reviews of a server's results.

    Args:
        log: the events.
        masks: what reviewers drew.
        results: the results under review.
        labels: where final labels go.
        image_hash: the hash of an image as it is now.
    """

    def __init__(
        self,
        log: ReviewLog,
        masks: ReviewedMasks,
        results: Results,
        labels: Labels,
        image_hash: Callable[[str], str],
    ) -> None:
        self.log = log
        self.masks = masks
        self._results = results
        self._labels = FinalLabels(log, masks, labels)
        self._image_hash = image_hash

    def review(self, record: Reviewed) -> Review:
        """The review of a result."""
        return review_of(record.finding_count, self.log.events(record.id))

    def copy_labels(self) -> None:
        """Bring the datastore's final labels in line with the log, see `FinalLabels`."""
        self._labels.copy_all()

    def is_reviewed(self, image: str) -> bool:
        """Whether a result of an image has events."""
        return any(self.log.events(record.id) for record in self._results.records(image))

    def append(
        self, stored_result: StoredResult, event: ReviewEvent, expected: int | None = None
    ) -> Review:
        """Write an event.

        Args:
            stored_result: the result under review.
            event: what the reviewer did.
            expected: version of the review that they saw; None does not matter.

        Raises:
            RequestError: the image has changed since, the event's mask is not here or does not
                fit, somebody else has written meanwhile, or the event does not fit the review.
        """
        self._require_unchanged(stored_result.record)
        if (
            event.mask is not None
            and not read_mask(self.masks.of_result(event.mask, stored_result))[0].any()
        ):
            raise RequestError(
                "unsuitable_image",
                "The outline has no voxel.",
                "Reject the finding, or draw its outline.",
            )
        review = self.log.append(stored_result.record, event, expected)
        if event.action == "undo":
            self._labels.copy(
                stored_result.record.image
            )  # of a label, the one before it holds again
        return review

    def store_final(
        self, stored_result: StoredResult, event: ReviewEvent, expected: int
    ) -> FinalLabel:
        """Make and store the final label of a review as its reviewer saw it.

        Args:
            stored_result: the result under review.
            event: the `final` event, with the hash of a label that the reviewer drew; without,
                the accepted, edited and added findings are joined.
            expected: version of the review that they saw.

        Raises:
            RequestError: the image or the review has changed since, or a finding is open.
        """
        record = stored_result.record
        self._require_unchanged(record)
        with self.log.hold():
            review = self.review(record)
            known = next((e for e in review.events if event.key and e.key == event.key), None)
            if known is not None:
                require_same(known, event)
                self._labels.copy(record.image)  # the first answer may have been an error
                return FinalLabel(review, self.masks.get(known.mask or ""))
            require_version(review, expected)
            if event.mask is not None:
                mask = self.masks.of_result(event.mask, stored_result)
            else:
                mask = self._joined(stored_result, review)
            return self._close(stored_result, event, mask)

    def store_drawn(self, image: str, label: Path, reviewer: str) -> FinalLabel:
        """Make a label that was drawn in another program the final one of an image.

        Raises:
            RequestError: the image has no result or has changed since, or the label does not fit.
        """
        records = self._results.records(image)
        if not records:
            raise RequestError(
                "unknown_result",
                f"The image '{image}' has no result, so no review that the label could close.",
                "Analyse the image first, or save the label under another tag than 'final'.",
            )
        stored_result = self._results.get(records[0].id)
        self._require_unchanged(stored_result.record)
        mask = self._keep(read_label(label, stored_result), stored_result)
        with self.log.hold():
            return self._close(stored_result, ReviewEvent(FINAL, reviewer), mask)

    def confirm_normal(self, image: str, reviewer: str, note: str) -> None:
        """Write into the review of an image's latest result, if it has one, that it is normal.

        Raises:
            RequestError: a finding of the image is accepted.
        """
        with self.log.hold():
            content = self._image_hash(image)
            # What was decided on other voxels under the same name says nothing of these.
            records = [r for r in self._results.records(image) if r.image_sha256 == content]
            latest = self.log.latest(records)
            if latest is not None:
                require_nothing_marked(self.review(latest))
            for record in records[:1]:
                event = ReviewEvent("confirm_normal", reviewer, note=note)
                self.log.append(record, event)

    def _joined(self, stored_result: StoredResult, review: Review) -> Path:
        label, _ = self.masks.final_label(stored_result, review)
        return self._keep(label, stored_result)

    def _keep(self, label: Any, stored_result: StoredResult) -> Path:
        with tempfile.TemporaryDirectory(prefix="d24fad-") as folder:
            path = Path(folder) / "final.nii.gz"
            write_labels(label, read_mask(stored_result.mask)[1], path)
            return self.masks.keep(path)

    def _close(self, stored_result: StoredResult, event: ReviewEvent, mask: Path) -> FinalLabel:
        """Write the event, then copy the label; the caller holds the log."""
        record = stored_result.record
        final = ReviewEvent(
            FINAL,
            event.reviewer,
            note=event.note,
            mask=mask.name.partition(".")[0],
            marked=bool(read_mask(mask)[0].any()),
            key=event.key,
        )
        review = self.log.append(record, final)
        self._labels.copy(record.image)
        return FinalLabel(review, mask)

    def _require_unchanged(self, record: ResultRecord) -> None:
        if self._image_hash(record.image) != record.image_sha256:
            raise RequestError(
                "studies_changed",
                f"The image '{record.image}' is no longer the one that was analysed.",
                "Analyse it again and review the new result.",
            )
