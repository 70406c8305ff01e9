"""Pictures of stored results: few clients look at them, so each is drawn when it is asked for."""

import threading
from pathlib import Path

from d24fad_core.export.pictures.overlay import write_overlay
from d24fad_core.volumes.volume import Modality
from monailabel_app.analysis.results import StoredResult, load_result
from monailabel_app.failures import RequestError
from monailabel_app.studies.images import ImageCatalogue


class Overlays:
    """Draws the picture of a stored result and keeps it beside the result.

    Args:
        images: the studies of the server.
    """

    def __init__(self, images: ImageCatalogue) -> None:
        self._images = images
        # One at a time, which bounds the memory; the second of two equal requests finds the file.
        self._lock = threading.Lock()

    def of(self, stored_result: StoredResult) -> Path:
        """The picture of a result, PNG.

        Raises:
            RequestError: it was never drawn, and the study is no longer there or has changed.
        """
        with self._lock:
            if not stored_result.overlay.is_file():
                self._draw(stored_result)
            return stored_result.overlay

    def _draw(self, stored_result: StoredResult) -> None:
        record = stored_result.record
        study = self._images.study(record.image)
        if self._images.content_hash(study) != record.image_sha256:
            raise RequestError(
                "studies_changed",
                f"The image of result '{record.id}' has changed since.",
                "Analyse the image again.",
            )
        modality = record.options["modality"]
        query = study.volume(Modality(modality) if modality else None)
        write_overlay(query, load_result(stored_result), stored_result.overlay)
