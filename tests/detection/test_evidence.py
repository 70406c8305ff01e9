"""Why a region is a finding: rarer than the normals' peaks, and most like one of the normals."""

from dataclasses import replace

import numpy as np
import pytest

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.calibration import conformal_p_value
from d24fad_core.detection.comparison import ModelIdentity
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.evidence import with_evidence
from d24fad_core.detection.feature_comparison import FeatureComparison
from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import Finding
from d24fad_core.detection.support_cache import SupportCache
from d24fad_core.progress import silent
from d24fad_core.support.frame import align
from d24fad_core.volumes.volume import Volume
from tests.detection.small_studies import EVERY_MAP, IMAGE_SIZE, LESION, detector, network, study
from tests.support.phantom import AIR

WINDOW = DetectionOptions(register=False, comparison=ComparisonKind.WINDOW, minimum_volume_ml=0.0)
PEAKS = (1.0, 5.0, 9.0, 2.0)


@pytest.fixture(scope="module")
def small() -> Detector:
    return detector()


def at_lesion(case: Volume) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """A mask and its finding of 6 mm around the lesion, whatever an analysis would say."""
    index = np.stack(np.meshgrid(*map(np.arange, case.shape), indexing="ij"), axis=-1)
    places = index @ case.affine[:3, :3].T + case.affine[:3, 3]
    distance = np.linalg.norm(places - LESION, axis=-1)
    heatmap = np.where(distance < 6.0, 8.0 - 0.1 * distance, 0.0).astype(np.float32)
    return find_findings(heatmap, 3.0, case.affine, 2, 0.0)


@pytest.mark.parametrize("carrier", [0, 1, 3])
def test_a_normal_that_carries_the_same_lesion_is_nearest(carrier: int) -> None:
    cache = SupportCache(None, "w", IMAGE_SIZE, None)
    identity = ModelIdentity("untrained", "w")
    comparison = FeatureComparison(network(), identity, EVERY_MAP, cache, translate=False)
    normals = [study(number, lesion=number == carrier) for number in range(4)]
    case = study(7, lesion=True)
    support = comparison.prepare(normals, WINDOW, silent)
    aligned = align(case, support.frame, WINDOW.ct_window, register=False)
    distances = comparison.compare(aligned, support, WINDOW, silent).distances
    assert distances is not None and distances.shape == (4, *support.frame.shape)

    mask, findings = at_lesion(case)
    (finding,) = with_evidence(findings, mask, case, aligned, support, PEAKS, distances)
    assert finding.nearest_normal == normals[carrier].name
    assert int(np.argmin(finding.normal_distances)) == carrier
    # One of the normals peaks above 8 z, and the case counts too.
    assert finding.p_value == pytest.approx(2 / 5)


def test_a_finding_is_looked_up_where_it_lies_however_the_study_is_stored(small: Detector) -> None:
    case = study(7, lesion=True)
    support = small.prepare_support([study(number) for number in range(3)], WINDOW)
    # One normal is far from the case at the lesion, as seen in the frame; the others everywhere.
    frame = support.frame
    aligned = align(case, frame, WINDOW.ct_window, register=False)
    near = np.argwhere(np.ones(frame.shape, bool)) @ frame.affine[:3, :3].T + frame.affine[:3, 3]
    in_study = [aligned.to_study.TransformPoint((place * [-1, -1, 1]).tolist()) for place in near]
    apart = np.linalg.norm(np.array(in_study) * [-1, -1, 1] - LESION, axis=-1)
    inside = (apart < 10.0).reshape(frame.shape)
    assert inside.any()
    distances = np.full((3, *frame.shape), 0.5, np.float16)
    distances[1][inside] = 0.1

    flipped = replace(
        case,
        array=np.ascontiguousarray(case.array[::-1].transpose(2, 0, 1)),
        affine=case.affine
        @ np.array(
            [[0, -1, 0, case.shape[0] - 1], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], float
        ),
    )
    assert flipped.array.min() == AIR
    for copy in (case, flipped):
        mask, findings = at_lesion(copy)
        placed = align(copy, frame, WINDOW.ct_window, register=False)
        (finding,) = with_evidence(findings, mask, copy, placed, support, PEAKS, distances)
        assert finding.nearest_normal == "normal-1"
        assert finding.normal_distances == pytest.approx((0.5, 0.1, 0.5), abs=0.02)


def test_the_p_value_of_a_finding_counts_the_normals_that_peak_as_high(small: Detector) -> None:
    support = small.prepare_support([study(number) for number in range(4)], WINDOW)
    scale = support.scale(WINDOW.planes)
    assert len(scale.peak_scores) == 4
    result = small.detect(study(7, lesion=True), support, replace(WINDOW, threshold=1.0))
    assert result.findings
    for finding in result.findings:
        assert finding.p_value == conformal_p_value(finding.peak_score, scale.peak_scores)


def test_translated_normals_are_not_told_apart(small: Detector) -> None:
    options = replace(WINDOW, comparison=ComparisonKind.TRANSLATED, threshold=0.5)
    support = small.prepare_support([study(number) for number in range(3)], options)
    result = small.detect(study(7, lesion=True), support, options)
    assert result.findings
    assert result.findings[0].p_value is not None
    assert result.findings[0].normal_distances == ()
    assert result.findings[0].nearest_normal is None
