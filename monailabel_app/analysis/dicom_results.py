"""Results as DICOM objects, and their way into the PACS."""

from collections.abc import Mapping
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from d24fad_core.errors import D24FADError, InputError
from d24fad_core.export.dicom.changes import change_objects
from d24fad_core.export.dicom.findings_report import reviewed_report
from d24fad_core.export.dicom.objects import dicom_objects
from d24fad_core.export.dicom.segmentation import findings_segmentation, reviewed_segmentation
from d24fad_core.export.dicom.source import DicomSource, read_headers, read_source
from monailabel_app.analysis.encodings import read_mask
from monailabel_app.analysis.results import StoredResult, load_result
from monailabel_app.analysis.stored_change import load_change, no_prior
from monailabel_app.failures import RequestError, refusal
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.study_store import Pacs, StudyStore


class DicomKind(str, Enum):
    """What is written."""

    SEGMENTATION = "segmentation"
    PARAMETRIC_MAP = "parametric_map"
    REPORT = "report"
    CHANGE_SEGMENTATION = "change_segmentation"
    CHANGE_REPORT = "change_report"


class DicomResults:
    """Writes results of DICOM series as DICOM.

    Args:
        images: the studies of the server.
        datastore: where they come from.
    """

    def __init__(self, images: ImageCatalogue, datastore: StudyStore) -> None:
        self._images = images
        self._datastore = datastore

    def objects(self, stored_result: StoredResult) -> Mapping[DicomKind, Dataset]:
        """All objects of a result; each report refers to the segmentation beside it.

        Raises:
            RequestError: the image is no DICOM series, or the series has changed since.
        """
        source, result = self._source(stored_result), load_result(stored_result)
        objects = dicom_objects(source, result)
        datasets = {
            DicomKind.SEGMENTATION: objects.segmentation,
            DicomKind.PARAMETRIC_MAP: objects.parametric_map,
            DicomKind.REPORT: objects.report,
        }
        if stored_result.change is None:
            return datasets
        change = load_change(stored_result.change, stored_result.report["change"])
        changes = change_objects(source, change, result, self._prior_images(stored_result))
        return {
            **datasets,
            DicomKind.CHANGE_SEGMENTATION: changes.segmentation,
            DicomKind.CHANGE_REPORT: changes.report,
        }

    def object(self, stored_result: StoredResult, kind: DicomKind) -> Dataset:
        """One object of a result.

        Raises:
            RequestError: as with `objects`, or there is no such object without a prior.
        """
        objects = self.objects(stored_result)
        if kind not in objects:
            raise no_prior(stored_result.record.id)
        return objects[kind]

    def segmentation(self, stored_result: StoredResult) -> Dataset:
        """The findings alone."""
        return findings_segmentation(self._source(stored_result), load_result(stored_result))

    def reviewed(
        self, stored_result: StoredResult, mask: Path, reviewer: str
    ) -> Mapping[DicomKind, Dataset]:
        """The final label of a review, and the report on it.

        Args:
            stored_result: the result that was reviewed.
            mask: the final label.
            reviewer: who stored it.

        Raises:
            RequestError: the image is no DICOM series, or the series has changed since.
        """
        source = self._source(stored_result)
        result = load_result(stored_result)
        label = read_mask(mask)[0]
        segmentation = reviewed_segmentation(source, label, result.provenance)
        return {
            DicomKind.SEGMENTATION: segmentation,
            DicomKind.REPORT: reviewed_report(source, result, label, segmentation, reviewer),
        }

    def publish_final(
        self, stored_result: StoredResult, mask: Path, reviewer: str
    ) -> dict[str, Any] | None:
        """Send the final label of a review to the PACS; it is kept here all the same.

        Returns:
            What clients are told of it; None where the studies come from no PACS.
        """
        if not isinstance(self._datastore, Pacs):
            return None
        try:
            objects = self.reviewed(stored_result, mask, reviewer)
            self.publish(objects)
        except D24FADError as error:
            return {"stored": False, "error": refusal(error).document()}
        return {
            "stored": True,
            "sop_instance_uid": str(objects[DicomKind.SEGMENTATION].SOPInstanceUID),
            "items": stored_objects(objects),
        }

    def publish(self, objects: Mapping[DicomKind, Dataset]) -> None:
        """Send objects to the PACS.

        Raises:
            RequestError: the studies come from none, or it did not take them.
        """
        if not isinstance(self._datastore, Pacs):
            raise RequestError(
                "no_pacs",
                "The studies of this server do not come from a PACS.",
                "Download the objects and import them.",
            )
        try:
            self._datastore.store(list(objects.values()))
        except requests.RequestException as error:
            raise RequestError(
                "pacs_unreachable",
                f"The PACS did not take the objects ({type(error).__name__}); they are kept here.",
                "Try again; ask the operator whether the PACS runs and accepts STOW.",
            ) from error

    def _prior_images(self, stored_result: StoredResult) -> list[Dataset]:
        """Headers of the prior's images; none where it is no DICOM series, or here no more."""
        study = self._images.find(stored_result.record.options["prior"])
        return read_headers(study.path) if study is not None and study.path.is_dir() else []

    def _source(self, stored_result: StoredResult) -> DicomSource:
        study = self._images.study(stored_result.record.image)
        if not study.path.is_dir():
            raise RequestError(
                "no_dicom_source",
                f"The image '{stored_result.record.image}' is no DICOM series.",
                "Take the NIfTI files of the result.",
            )
        result_grid, affine = read_mask(stored_result.mask)
        try:
            return read_source(study.path, result_grid.shape, affine)
        except InputError as error:
            cause, remedy = error.sentences()
            raise RequestError(
                "unsuitable_image", study.without_path(cause), study.without_path(remedy)
            ) from error


def stored_objects(objects: Mapping[DicomKind, Dataset]) -> list[dict[str, str]]:
    """What clients are told of objects that the PACS has taken."""
    return [
        {
            "kind": kind.value,
            "series_instance_uid": str(dataset.SeriesInstanceUID),
            "sop_instance_uid": str(dataset.SOPInstanceUID),
        }
        for kind, dataset in objects.items()
    ]


def dicom_bytes(dataset: Dataset) -> bytes:
    """An object as a DICOM file."""
    stream = BytesIO()
    dcmwrite(stream, dataset, write_like_original=False)
    return stream.getvalue()
