"""Findings, or a final label, as a Structured Report, TID 1500 Measurement Report (PS3.16)."""

import re

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.detection.result import AnomalyResult, Finding, Provenance
from d24fad_core.export.dicom.codes import (
    CASE_SCORE,
    FINDING_COUNT,
    LATERALITY,
    LESION,
    MEAN_SCORE,
    MILLILITRE,
    NEAREST_NORMAL,
    NO_UNITS,
    P_VALUE,
    PEAK_SCORE,
    VOLUME,
    distance_code,
    normal_code,
    region_code,
)
from d24fad_core.export.dicom.equipment import device_observer
from d24fad_core.export.dicom.measurement_report import (
    measurement,
    measurement_report,
    segment_reference,
    segment_tracking,
)
from d24fad_core.export.dicom.source import DicomSource
from d24fad_core.places.place import FindingPlace
from d24fad_core.regions import label_regions

_SERIES_NUMBER = 9003
_FINAL_SERIES_NUMBER = 9005
# What separates the parts of a person's name (PS3.5, 6.2.1), and control characters.
_NOT_IN_NAMES = re.compile(r"[\^=\\\x00-\x1f\x7f]+")
_LONGEST_NAME = 63


def findings_report(source: DicomSource, result: AnomalyResult, segmentation: Dataset) -> Dataset:
    """The case score, and for each finding its volume and scores, tied to its segment.

    Args:
        source: the series that was analysed.
        result: its analysis.
        segmentation: of the same result, from `findings_segmentation`.
    """
    regions = [
        _region(
            source,
            result,
            segmentation,
            finding.rank,
            finding.volume_ml,
            finding.peak_score,
            finding.mean_score,
            finding,
        )
        for finding in result.findings
    ]
    return measurement_report(
        source,
        [segmentation],
        device_observer(),
        [_study(source, result, len(result.findings)), *regions],
        # Nobody has looked at it.
        is_final=False,
        series_number=_SERIES_NUMBER,
        description="D24FAD report (research use only)",
    )


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
    marked = label > 0
    count = int(label_regions(marked).max(initial=0))
    regions = []
    if count:
        scores = result.heatmap[marked].astype(np.float64)
        volume_ml = scores.size * abs(float(np.linalg.det(result.affine[:3, :3]))) / 1000.0
        regions.append(
            _region(source, result, segmentation, 1, volume_ml, scores.max(), scores.mean())
        )
    person = hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
            name=_person_name(reviewer)
        ),
    )
    return measurement_report(
        source,
        [segmentation],
        hd.sr.ObservationContext(observer_person_context=person),
        [_study(source, result, count), *regions],
        is_final=True,
        series_number=_FINAL_SERIES_NUMBER,
        description="D24FAD reviewed report (research use only)",
    )


def _study(
    source: DicomSource, result: AnomalyResult, count: int
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    """What is said of the whole study; present also when nothing was found."""
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "Study"),
        finding_type=LESION,
        algorithm_id=_algorithm(result.provenance),
        measurements=[
            measurement(CASE_SCORE, result.case_score, NO_UNITS),
            measurement(P_VALUE, result.calibration.p_value, NO_UNITS),
            measurement(FINDING_COUNT, count, NO_UNITS),
        ],
        source_images=[hd.sr.SourceImageForMeasurementGroup.from_source_image(source.images[0])],
    )


def _region(
    source: DicomSource,
    result: AnomalyResult,
    segmentation: Dataset,
    number: int,
    volume_ml: float,
    peak_score: float,
    mean_score: float,
    finding: Finding | None = None,
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """Volume and scores of a segment, and what else is known of it as a finding."""
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=segment_tracking(segmentation, number),
        referenced_segment=segment_reference(source, segmentation, number),
        finding_type=LESION,
        algorithm_id=_algorithm(result.provenance),
        finding_sites=None if finding is None else _sites(finding.place),
        measurements=[
            measurement(VOLUME, volume_ml, MILLILITRE),
            measurement(PEAK_SCORE, peak_score, NO_UNITS),
            measurement(MEAN_SCORE, mean_score, NO_UNITS),
            *([] if finding is None else _rarity(finding, result.provenance)),
        ],
        qualitative_evaluations=None if finding is None else _nearest(finding, result.provenance),
    )


def _rarity(finding: Finding, provenance: Provenance) -> list[hd.sr.Measurement]:
    """The p-value, and the distance to each normal."""
    p_value = finding.p_value
    measurements = [] if p_value is None else [measurement(P_VALUE, p_value, NO_UNITS)]
    if finding.normal_distances:
        measurements += [
            measurement(distance_code(use), distance, NO_UNITS)
            for use, distance in zip(provenance.supports, finding.normal_distances, strict=True)
        ]
    return measurements


def _nearest(finding: Finding, provenance: Provenance) -> list[hd.sr.QualitativeEvaluation] | None:
    """The normal that is most like the study there; None where it is not known."""
    if not finding.normal_distances:
        return None
    use = provenance.supports[finding.normal_distances.index(min(finding.normal_distances))]
    return [hd.sr.QualitativeEvaluation(name=NEAREST_NORMAL, value=normal_code(use))]


def _sites(place: FindingPlace | None) -> list[hd.sr.FindingSite] | None:
    """The region with the largest share, coded; None where no code says it for sure."""
    code = None if place is None or not place.certain else region_code(place)
    if place is None or code is None:
        return None
    side = next(each.side for each in place.shares if each.region == place.region)
    return [hd.sr.FindingSite(code, laterality=None if side is None else LATERALITY[side])]


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


def _person_name(reviewer: str) -> str:
    """A free name as a DICOM person name, all of it family name."""
    plain = _NOT_IN_NAMES.sub(" ", reviewer).strip()[:_LONGEST_NAME].strip()
    return f"{plain or 'unknown'}^"
