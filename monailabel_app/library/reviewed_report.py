"""The final label of a review as a DICOM Structured Report, TID 1500 (PS3.16)."""

import re

import cc3d
import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.detection.findings import CONNECTIVITY
from d24fad_core.detection.result import AnomalyResult, Provenance
from d24fad_core.export.dicom_codes import (
    CASE_SCORE,
    FINDING_COUNT,
    LESION,
    MEAN_SCORE,
    MILLILITRE,
    NO_UNITS,
    P_VALUE,
    PEAK_SCORE,
    VOLUME,
    procedure,
)
from d24fad_core.export.dicom_source import MANUFACTURER, DicomSource

_SERIES_NUMBER = 9005
# What separates the parts of a person's name (PS3.5, 6.2.1), and control characters.
_NOT_IN_NAMES = re.compile(r"[\^=\\\x00-\x1f\x7f]+")
_LONGEST_NAME = 63


def reviewed_report(
    source: DicomSource,
    result: AnomalyResult,
    label: NDArray[np.uint8],
    segmentation: Dataset,
    reviewer: str,
) -> Dataset:
    """The case score, and volume and scores of what the reviewer left marked.

    Args:
        source: the series that was analysed.
        result: its analysis.
        label: the final label, shape (columns, rows, slices); it may be empty.
        segmentation: of this label, from `reviewed_segmentation`.
        reviewer: who stored it, a free name.
    """
    regions = cc3d.connected_components(label > 0, connectivity=CONNECTIVITY, return_N=True)[1]
    groups = [_study_measurements(source, result, int(regions))]
    if regions:
        groups.append(_label_measurements(source, result, label > 0, segmentation))
    person = hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
            name=_person_name(reviewer)
        ),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_person_context=person),
        procedure_reported=procedure(source.modality),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    report = hd.sr.ComprehensiveSR(
        evidence=[*source.images, segmentation],
        content=content[0],
        series_instance_uid=hd.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=True,
        # The server does not check who the reviewer is.
        is_verified=False,
        series_description="D24FAD reviewed report (research use only)",
    )
    # The scanner's character set need not have the reviewer's letters.
    report.SpecificCharacterSet = "ISO_IR 192"
    return report


def _study_measurements(
    source: DicomSource, result: AnomalyResult, regions: int
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "Study"),
        finding_type=LESION,
        algorithm_id=_algorithm(result.provenance),
        measurements=[
            _measurement(CASE_SCORE, result.case_score, NO_UNITS),
            _measurement(P_VALUE, result.calibration.p_value, NO_UNITS),
            _measurement(FINDING_COUNT, regions, NO_UNITS),
        ],
        source_images=[hd.sr.SourceImageForMeasurementGroup.from_source_image(source.images[0])],
    )


def _label_measurements(
    source: DicomSource, result: AnomalyResult, marked: NDArray[np.bool_], segmentation: Dataset
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    scores = result.heatmap[marked].astype(np.float64)
    voxel_ml = abs(float(np.linalg.det(result.affine[:3, :3]))) / 1000.0
    segment = segmentation.SegmentSequence[0]
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            str(segment.TrackingUID), str(segment.TrackingID)
        ),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=str(segmentation.SOPClassUID),
            sop_instance_uid=str(segmentation.SOPInstanceUID),
            segment_number=1,
            source_series=hd.sr.SourceSeriesForSegmentation(source.series_uid),
        ),
        finding_type=LESION,
        algorithm_id=_algorithm(result.provenance),
        measurements=[
            _measurement(VOLUME, scores.size * voxel_ml, MILLILITRE),
            _measurement(PEAK_SCORE, scores.max(), NO_UNITS),
            _measurement(MEAN_SCORE, scores.mean(), NO_UNITS),
        ],
    )


def _measurement(name: Code, value: float, unit: Code) -> hd.sr.Measurement:
    # A decimal string has 16 characters (PS3.5); six significant digits are more than is known.
    return hd.sr.Measurement(name=name, value=float(f"{value:.6g}"), unit=unit)


def _algorithm(provenance: Provenance) -> hd.sr.AlgorithmIdentification:
    return hd.sr.AlgorithmIdentification(
        name="D24FAD",
        version=__version__,
        parameters=[
            RESEARCH_USE_ONLY,
            f"checkpoint {provenance.checkpoint_name} {provenance.checkpoint_hash[:16]}",
        ],
    )


def _person_name(reviewer: str) -> str:
    """A free name as a DICOM person name, all of it family name."""
    plain = _NOT_IN_NAMES.sub(" ", reviewer).strip()[:_LONGEST_NAME].strip()
    return f"{plain or 'unknown'}^"
