"""Final labels for MONAI Label's clients: copies of what the log of reviews says, and no more."""

import logging
from pathlib import Path
from typing import Any, Protocol

import requests

from d24fad_core.files import hash_file
from monailabel_app.failures import RequestError
from monailabel_app.review.log import LoggedEvent, ReviewLog
from monailabel_app.review.reviewed_masks import ReviewedMasks
from monailabel_app.studies.study_store import MissingImageError

logger = logging.getLogger(__name__)

FINAL = "final"
"""The tag of final labels, and the action of the event that stores one."""


class Labels(Protocol):
    """A store of studies, as final labels need it."""

    def label_file(self, image_id: str, label_tag: str) -> Path | None:
        """The file of a label; None where there is none."""

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]
    ) -> str:
        """Keep a copy of a label file."""


class FinalLabels:
    """Brings the final labels of a datastore in line with the log.

    An event is on the disk before its label is copied, so that there is never a label of which
    the log does not know. What a killed server had not copied is copied at the next start.

    Args:
        log: the events of reviews.
        masks: the final labels as they were stored, by the hashes in the log.
        labels: where the copies go.
    """

    def __init__(self, log: ReviewLog, masks: ReviewedMasks, labels: Labels) -> None:
        self._log = log
        self._masks = masks
        self._labels = labels

    def copy(self, image: str) -> None:
        """Make the label of an image the one that its reviewers stored last.

        Raises:
            RequestError: the stored mask is gone.
            OSError: the disk is full or fails.
        """
        with self._log.hold():
            final = self._log.last_finals(image).get(image)
            if final is not None:
                self._copy(final)

    def copy_all(self) -> None:
        """Do so for all images; what cannot be copied now is named in the log and left."""
        for image, final in self._log.last_finals().items():
            try:
                self._copy(final)
            except (
                RequestError,
                OSError,
                requests.RequestException,
                MissingImageError,
            ) as error:
                logger.warning(
                    "The final label of '%s' is not in the datastore yet (%s)",
                    image,
                    type(error).__name__,
                )

    def _copy(self, final: LoggedEvent) -> None:
        mask = self._masks.get(final.event.mask or "")
        present = self._labels.label_file(final.image, FINAL)
        if present is not None:
            if hash_file(present) == final.event.mask:
                return
            # A file that somebody put there by other ways is not lost, and not taken for stored.
            self._masks.keep(present)
        self._labels.save_label(final.image, str(mask), FINAL, {"result": final.result})
