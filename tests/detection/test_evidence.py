"""Why a region is a finding: rarer than the normals' peaks, and most like one of the normals."""

from dataclasses import replace

import numpy as np
import pytest

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.calibration import conformal_p_value
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import Finding
from d24fad_core.volumes.volume import Plane
from tests.detection.small_studies import LESION, detector, study

WINDOW = DetectionOptions(register=False, comparison=ComparisonKind.WINDOW, minimum_volume_ml=0.0)
LOW = replace(WINDOW, threshold=0.3, planes=(Plane.AXIAL, Plane.CORONAL))


@pytest.fixture(scope="module")
def small() -> Detector:
    return detector()


def at_lesion(findings: tuple[Finding, ...]) -> Finding:
    """The finding whose peak is nearest to the lesion."""
    return min(findings, key=lambda each: float(np.linalg.norm(each.peak_ras_mm - LESION)))


@pytest.mark.parametrize("carrier", [0, 1, 3])
def test_a_normal_that_carries_the_same_lesion_is_nearest(small: Detector, carrier: int) -> None:
    supports = [study(number, lesion=number == carrier) for number in range(4)]
    support = small.prepare_support(supports, LOW)
    result = small.detect(study(7, lesion=True), support, LOW)
    finding = at_lesion(result.findings)
    assert np.linalg.norm(np.array(finding.peak_ras_mm) - LESION) < 12
    assert finding.nearest_normal == supports[carrier].name
    assert len(finding.normal_distances) == 4
    assert int(np.argmin(finding.normal_distances)) == carrier


def test_the_p_value_of_a_finding_counts_the_normals_that_peak_as_high(small: Detector) -> None:
    support = small.prepare_support([study(number) for number in range(4)], WINDOW)
    peaks = support.scale(WINDOW.planes).peak_scores
    scores = support.scale(WINDOW.planes).case_scores
    assert len(peaks) == 4 and all(peak >= score for peak, score in zip(peaks, scores, strict=True))
    low = replace(WINDOW, threshold=min(peaks) - 1.0)
    result = small.detect(study(7, lesion=True), support, low)
    for finding in result.findings:
        assert finding.p_value == conformal_p_value(finding.peak_score, peaks)
    assert result.findings[0].p_value == min(each.p_value or 1 for each in result.findings)


def test_translated_normals_are_not_told_apart(small: Detector) -> None:
    options = replace(WINDOW, comparison=ComparisonKind.TRANSLATED, threshold=0.5)
    support = small.prepare_support([study(number) for number in range(3)], options)
    result = small.detect(study(7, lesion=True), support, options)
    assert result.findings
    assert result.findings[0].p_value is not None
    assert result.findings[0].normal_distances == ()
    assert result.findings[0].nearest_normal is None
