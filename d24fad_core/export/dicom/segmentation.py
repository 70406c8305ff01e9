"""Findings as a DICOM Segmentation (PS3.3, A.51), binary, one segment a finding."""

from collections.abc import Sequence

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from d24fad_core.detection.result import AnomalyResult, Provenance
from d24fad_core.export.dicom.codes import ABNORMAL_STRUCTURE, LESION, algorithm
from d24fad_core.export.dicom.equipment import EQUIPMENT
from d24fad_core.export.dicom.source import DicomSource, in_unicode

_SERIES_NUMBER = 9001
_FINAL_SERIES_NUMBER = 9004


def findings_segmentation(source: DicomSource, result: AnomalyResult) -> Dataset:
    """The findings of an analysis; the segment number is the finding's rank.

    Without findings there is one segment without a voxel: the study was analysed and nothing was
    found, which is a result too.

    Args:
        source: the series that was analysed.
        result: its analysis.
    """
    ranks = result.ranks
    names = [f"Finding {finding.rank}" for finding in result.findings] or ["No finding"]
    return label_segmentation(
        source,
        ranks,
        names,
        algorithm(result.provenance),
        hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        "D24FAD findings (research use only)",
        _SERIES_NUMBER,
    )


def reviewed_segmentation(
    source: DicomSource, mask: NDArray[np.uint8], provenance: Provenance
) -> Dataset:
    """The final label of a review as one segment; it may be empty.

    Args:
        source: the series that was analysed.
        mask: 1 where the reviewer confirmed or drew a region, shape (columns, rows, slices).
        provenance: of the analysis that was reviewed.
    """
    return label_segmentation(
        source,
        (mask > 0).astype(np.uint16),
        ["Reviewed" if mask.any() else "Reviewed, no finding"],
        algorithm(provenance),
        hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        "D24FAD reviewed (research use only)",
        _FINAL_SERIES_NUMBER,
    )


def label_segmentation(
    source: DicomSource,
    labels: NDArray[np.uint16],
    names: Sequence[str],
    identification: hd.AlgorithmIdentificationSequence,
    kind: hd.seg.SegmentAlgorithmTypeValues,
    description: str,
    series_number: int,
) -> Dataset:
    """Labels as binary segments.

    Args:
        source: the series that they lie on.
        labels: number of the segment, 0 outside all, shape (columns, rows, slices).
        names: of the segments, by number.
        identification: of the algorithm behind them.
        kind: whether somebody had a hand in it.
        description: of the series.
        series_number: of the series.
    """
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=ABNORMAL_STRUCTURE,
            segmented_property_type=LESION,
            algorithm_type=kind,
            algorithm_identification=identification,
            tracking_uid=hd.UID(),
            tracking_id=name,
        )
        for number, name in enumerate(names, start=1)
    ]
    segmentation = hd.seg.Segmentation(
        source_images=list(source.images),
        pixel_array=source.frames(labels),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=hd.UID(),
        series_number=series_number,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        **EQUIPMENT,
        content_label="ANOMALY",
        content_description="Research use only. Not for clinical use.",
        series_description=description,
    )
    return in_unicode(segmentation)
