"""The normal patients that a support set's scores are measured against."""

from enum import Enum

from d24fad_core.detection.detector import RESULT_SCHEMA
from d24fad_core.files import hash_bytes
from monailabel_app.analysis.analyses import Analyses
from monailabel_app.analysis.parameters import AnalysisParameters
from monailabel_app.analysis.results import ResultRecord, ResultStore
from monailabel_app.calibration.normal_scale import Calibration, NormalScore
from monailabel_app.normals.quality import QualityControl
from monailabel_app.review.worklist import Worklist
from monailabel_app.studies.study_store import StudyStore


class Quantity(str, Enum):
    """Which score is calibrated: the case's, or the highest of a voxel."""

    CASE_SCORE = "case_score"
    PEAK_SCORE = "peak_score"

    def of(self, record: ResultRecord) -> float:
        """Its value in a result."""
        return record.case_score if self is Quantity.CASE_SCORE else record.peak_score


class NormalPatients:
    """Finds the scores of images confirmed as normal, made with what is in force now.

    Args:
        worklist: knows which images are confirmed as normal.
        results: the stored results.
        analyses: knows the checkpoint.
        quality: knows the content of a support set.
        datastore: knows the patient of an image from a PACS.
    """

    def __init__(
        self,
        worklist: Worklist,
        results: ResultStore,
        analyses: Analyses,
        quality: QualityControl,
        datastore: StudyStore,
    ) -> None:
        self._worklist = worklist
        self._results = results
        self._analyses = analyses
        self._quality = quality
        self._datastore = datastore

    def calibration(self, support_set: str, quantity: Quantity) -> Calibration:
        """Scores of the normals outside the set, with this checkpoint, set and default options."""
        normal = {
            entry.image
            for entry in self._worklist.entries(support_set)
            if entry.confirmed_normal and support_set not in entry.support_sets
        }
        outdated = self._worklist.outdated()
        bound = (
            RESULT_SCHEMA,
            self._analyses.detector.checkpoint_hash,
            self._quality.support_hash(support_set),
            self._analyses.with_comparison(AnalysisParameters()).document(),
        )
        return Calibration.of(
            [
                NormalScore(self.patient(record.image), record.image, quantity.of(record))
                for record in self._results.records()
                if record.image in normal
                and record.id not in outdated
                and bound
                == (record.schema, record.checkpoint_hash, record.support_hash, record.options)
            ]
        )

    def patient(self, image: str) -> str:
        """A name that says nothing about the patient; without a DICOM id each image is its own."""
        identifier = self._datastore.get_image_info(image).get("PatientID")
        if not identifier or identifier == "UNK":
            return image
        return f"patient-{hash_bytes(str(identifier).encode())[:12]}"
