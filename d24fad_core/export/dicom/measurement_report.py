"""What all Structured Reports share: TID 1500 Measurement Report (PS3.16) about a series."""

from collections.abc import Sequence
from typing import TypeAlias

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from d24fad_core.export.dicom.codes import procedure
from d24fad_core.export.dicom.equipment import MANUFACTURER
from d24fad_core.export.dicom.source import DicomSource, in_unicode

MeasurementGroup: TypeAlias = (
    hd.sr.MeasurementsAndQualitativeEvaluations
    | hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations
)


def measurement_report(
    source: DicomSource,
    evidence: Sequence[Dataset],
    observer: hd.sr.ObservationContext,
    groups: Sequence[MeasurementGroup],
    *,
    is_final: bool,
    series_number: int,
    description: str,
) -> Dataset:
    """A report about a series.

    Args:
        source: the series that was analysed.
        evidence: what else the groups refer to.
        observer: who or what says so.
        groups: the measurement groups.
        is_final: whether somebody has looked at it.
        series_number: number of its series.
        description: of its series.
    """
    content = hd.sr.MeasurementReport(
        observation_context=observer,
        procedure_reported=procedure(source.modality),
        imaging_measurements=list(groups),
        title=codes.DCM.ImagingMeasurementReport,
    )
    report = hd.sr.ComprehensiveSR(
        evidence=[*source.images, *evidence],
        content=content[0],
        series_instance_uid=hd.UID(),
        series_number=series_number,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=is_final,
        # Nobody checks who a reviewer is.
        is_verified=False,
        series_description=description,
    )
    return in_unicode(report)


def segment_tracking(segmentation: Dataset, number: int) -> hd.sr.TrackingIdentifier:
    """The tracking identifier of a segment, which groups about the same lesion share."""
    segment = segmentation.SegmentSequence[number - 1]
    return hd.sr.TrackingIdentifier(str(segment.TrackingUID), str(segment.TrackingID))


def segment_reference(
    source: DicomSource, segmentation: Dataset, number: int
) -> hd.sr.ReferencedSegment:
    """A reference to a segment that lies on a series."""
    return hd.sr.ReferencedSegment(
        sop_class_uid=str(segmentation.SOPClassUID),
        sop_instance_uid=str(segmentation.SOPInstanceUID),
        segment_number=number,
        source_series=hd.sr.SourceSeriesForSegmentation(source.series_uid),
    )


def measurement(name: Code, value: float, unit: Code) -> hd.sr.Measurement:
    """A number with as many digits as a decimal string of 16 characters (PS3.5) holds for sure."""
    # Six significant digits are more than is known.
    return hd.sr.Measurement(name=name, value=float(f"{value:.6g}"), unit=unit)
