"""Changes since a prior as DICOM: a Segmentation, and a Structured Report of TID 1500 (PS3.16).

The report has a measurement group for each change at either time; both have one tracking
identifier. The later one says what became of it, and refers to its segment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.change.result import Change, ChangeKind, ChangeResult
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.dicom.codes import (
    CHANGE_CODES,
    CHANGE_COUNT,
    CHANGE_SCORE,
    LESION,
    LIKENESS,
    MILLILITRE,
    NO_UNITS,
    VOLUME,
    change_algorithm,
)
from d24fad_core.export.dicom.equipment import device_observer
from d24fad_core.export.dicom.measurement_report import (
    MeasurementGroup,
    measurement,
    measurement_report,
    segment_reference,
    segment_tracking,
)
from d24fad_core.export.dicom.segmentation import label_segmentation
from d24fad_core.export.dicom.source import DicomSource

NOW, BEFORE = "study", "prior"
"""Names of the time points."""

_SEGMENTATION_SERIES_NUMBER = 9007
_REPORT_SERIES_NUMBER = 9008


@dataclass(frozen=True, eq=False)
class ChangeObjects:
    """A comparison with a prior as DICOM.

    Attributes:
        segmentation: the changes, one segment each; of a lesion that is gone, where it was.
        report: what became of each, and volumes at both times.
    """

    segmentation: Dataset
    report: Dataset

    def __iter__(self) -> Iterator[Dataset]:
        return iter((self.segmentation, self.report))


def change_objects(
    source: DicomSource,
    change: ChangeResult,
    result: AnomalyResult | None = None,
    prior_images: Sequence[Dataset] = (),
) -> ChangeObjects:
    """Write a comparison with a prior as DICOM.

    Args:
        source: the series that was compared.
        change: the comparison.
        result: its analysis against normals, which knows where stable findings are.
        prior_images: headers of the prior's images; none where it is no DICOM series.
    """
    segmentation = change_segmentation(source, change, result)
    return ChangeObjects(segmentation, change_report(source, change, segmentation, prior_images))


def change_segmentation(
    source: DicomSource, change: ChangeResult, result: AnomalyResult | None = None
) -> Dataset:
    """The changes; the segment number is the change's rank.

    Without changes there is one segment without a voxel, as with findings.

    Args:
        source: the series that was compared.
        change: the comparison.
        result: see `change_objects`.
    """
    names = [f"Change {each.rank}: {each.kind.value}" for each in change.changes]
    return label_segmentation(
        source,
        _labels(change, result),
        names or ["No change"],
        change_algorithm(),
        hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        "D24FAD changes (research use only)",
        _SEGMENTATION_SERIES_NUMBER,
    )


def change_report(
    source: DicomSource,
    change: ChangeResult,
    segmentation: Dataset,
    prior_images: Sequence[Dataset] = (),
) -> Dataset:
    """What became of each place, with its volume at both times.

    Args:
        source: the series that was compared.
        change: the comparison.
        segmentation: of the same comparison, from `change_segmentation`.
        prior_images: see `change_objects`.
    """
    groups: list[MeasurementGroup] = [_study(source, change)]
    for each in change.changes:
        groups += [
            _now(source, change, each, segmentation),
            _before(change, each, segmentation, prior_images),
        ]
    return measurement_report(
        source,
        # What nothing refers to is no evidence: without changes, the prior's images.
        [segmentation, *(prior_images if change.changes else ())],
        device_observer(),
        groups,
        # Nobody has looked at it.
        is_final=False,
        series_number=_REPORT_SERIES_NUMBER,
        description="D24FAD changes report (research use only)",
    )


def _labels(change: ChangeResult, result: AnomalyResult | None) -> NDArray[np.uint16]:
    """(I, J, K) ranks of the changes, with the stable findings, which the ranks leave out."""
    labels = change.ranks.copy()
    if result is None:
        return labels
    findings = result.ranks
    for each in change.changes:
        if each.kind is ChangeKind.STABLE:
            labels[(findings == findings[each.peak_voxel]) & (labels == 0)] = each.rank
    return labels


def _study(
    source: DicomSource, change: ChangeResult
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    """What is said of the whole study; present also where nothing changed."""
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "Study"),
        finding_type=LESION,
        algorithm_id=_algorithm(change),
        measurements=[
            measurement(CHANGE_COUNT, len(change.changes), NO_UNITS),
            measurement(LIKENESS, change.use.likeness, NO_UNITS),
        ],
        source_images=[hd.sr.SourceImageForMeasurementGroup.from_source_image(source.images[0])],
    )


def _now(
    source: DicomSource, change: ChangeResult, each: Change, segmentation: Dataset
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=segment_tracking(segmentation, each.rank),
        referenced_segment=segment_reference(source, segmentation, each.rank),
        time_point_context=hd.sr.TimePointContext(NOW, time_point_order=2),
        finding_type=LESION,
        algorithm_id=_algorithm(change),
        measurements=[
            measurement(VOLUME, each.volume_ml, MILLILITRE),
            measurement(CHANGE_SCORE, each.peak_score, NO_UNITS),
        ],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(codes.DCM.QualitativeDifference, CHANGE_CODES[each.kind])
        ],
    )


def _before(
    change: ChangeResult, each: Change, segmentation: Dataset, prior_images: Sequence[Dataset]
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    """The same lesion in the prior, whose images have no segment."""
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=segment_tracking(segmentation, each.rank),
        time_point_context=hd.sr.TimePointContext(BEFORE, time_point_order=1),
        finding_type=LESION,
        algorithm_id=_algorithm(change),
        measurements=[measurement(VOLUME, each.prior_volume_ml, MILLILITRE)],
        source_images=[
            hd.sr.SourceImageForMeasurementGroup.from_source_image(image)
            for image in prior_images[:1]
        ]
        or None,
    )


def _algorithm(change: ChangeResult) -> hd.sr.AlgorithmIdentification:
    return hd.sr.AlgorithmIdentification(
        name="D24FAD",
        version=__version__,
        parameters=[
            RESEARCH_USE_ONLY,
            f"seeds of changes above {change.threshold:.2f} z",
            f"prior {change.use.content_hash[:16]}",
        ],
    )
