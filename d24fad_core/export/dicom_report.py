"""The findings as a DICOM Structured Report, TID 1500 Measurement Report (PS3.16)."""

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.detection.result import AnomalyResult, Finding, Provenance
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
from d24fad_core.export.dicom_source import MANUFACTURER, MODEL_NAME, DicomSource

_SERIES_NUMBER = 9003


def findings_report(source: DicomSource, result: AnomalyResult, segmentation: Dataset) -> Dataset:
    """The case score, and for each finding its volume and scores, tied to its segment.

    Args:
        source: the series that was analysed.
        result: its analysis.
        segmentation: of the same result, from `findings_segmentation`.
    """
    device = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=hd.UID(), name="D24FAD", manufacturer_name=MANUFACTURER, model_name=MODEL_NAME
        ),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=device),
        procedure_reported=procedure(source.modality),
        imaging_measurements=[
            _case_measurements(source, result),
            *(_finding_measurements(source, result, f, segmentation) for f in result.findings),
        ],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return hd.sr.ComprehensiveSR(
        evidence=[*source.images, segmentation],
        content=content[0],
        series_instance_uid=hd.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        # Nobody has looked at it: neither final nor verified.
        is_final=False,
        is_verified=False,
        series_description="D24FAD report (research use only)",
    )


def _case_measurements(
    source: DicomSource, result: AnomalyResult
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    """What is said of the whole study; present also when nothing was found."""
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "Study"),
        finding_type=LESION,
        algorithm_id=_algorithm(result.provenance),
        measurements=[
            _measurement(CASE_SCORE, result.case_score, NO_UNITS),
            _measurement(P_VALUE, result.calibration.p_value, NO_UNITS),
            _measurement(FINDING_COUNT, len(result.findings), NO_UNITS),
        ],
        source_images=[hd.sr.SourceImageForMeasurementGroup.from_source_image(source.images[0])],
    )


def _finding_measurements(
    source: DicomSource, result: AnomalyResult, finding: Finding, segmentation: Dataset
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    segment = segmentation.SegmentSequence[finding.rank - 1]
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            str(segment.TrackingUID), f"Finding {finding.rank}"
        ),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=str(segmentation.SOPClassUID),
            sop_instance_uid=str(segmentation.SOPInstanceUID),
            segment_number=finding.rank,
            source_series=hd.sr.SourceSeriesForSegmentation(source.series_uid),
        ),
        finding_type=LESION,
        algorithm_id=_algorithm(result.provenance),
        measurements=[
            _measurement(VOLUME, finding.volume_ml, MILLILITRE),
            _measurement(PEAK_SCORE, finding.peak_score, NO_UNITS),
            _measurement(MEAN_SCORE, finding.mean_score, NO_UNITS),
        ],
    )


def _measurement(name: Code, value: float, unit: Code) -> hd.sr.Measurement:
    # A decimal string has 16 characters (PS3.5); six significant digits are more than is known.
    return hd.sr.Measurement(name=name, value=float(f"{value:.6g}"), unit=unit)


def _algorithm(provenance: Provenance) -> hd.sr.AlgorithmIdentification:
    supports = ", ".join(f"{use.content_hash[:12]} {use.share:.2f}" for use in provenance.supports)
    return hd.sr.AlgorithmIdentification(
        name="D24FAD",
        version=__version__,
        parameters=[
            RESEARCH_USE_ONLY,
            f"checkpoint {provenance.checkpoint_name} {provenance.checkpoint_hash[:16]}",
            f"supports (hash, share): {supports}",
        ],
    )
