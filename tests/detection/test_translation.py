"""Detection with translated normals: a case in another look, and what its result says."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import ConfigurationError, SupportError
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Plane, Volume
from tests.detection.small_studies import LESION, detector, normals, study
from tests.support.phantom import AIR, positions

PLAIN = DetectionOptions(register=False)
TRANSLATED = replace(PLAIN, comparison=ComparisonKind.TRANSLATED)

Curve = Callable[[NDArray[np.float32]], NDArray[np.float32]]
CURVES: dict[str, Curve] = {
    "inverted": lambda values: -values,
    "paler and inverted": lambda values: 150 - 0.8 * values,
    "gamma": lambda values: 650 * np.sqrt((values.clip(-200, 450) + 200) / 650) - 200,
}


def seen_otherwise(volume: Volume, curve: Curve) -> Volume:
    """The same body with other grey values."""
    array = np.where(volume.array > AIR, curve(volume.array), AIR)
    return replace(volume, array=array.astype(np.float32))


@pytest.fixture(scope="module")
def small() -> Detector:
    return detector()


@pytest.fixture(scope="module")
def translated(small: Detector) -> SupportSet:
    return small.prepare_support(normals(), TRANSLATED)


@pytest.fixture(scope="module")
def plain(small: Detector) -> SupportSet:
    return small.prepare_support(normals(), PLAIN)


@pytest.mark.parametrize("curve", CURVES.values(), ids=list(CURVES))
def test_a_case_in_another_look_shows_its_lesion_and_nothing_all_over(
    small: Detector, translated: SupportSet, plain: SupportSet, curve: Curve
) -> None:
    case = seen_otherwise(study(7, lesion=True), curve)
    heatmap = small.detect(case, translated, TRANSLATED).heatmap
    inside = heatmap != 0
    assert abs(float(heatmap[inside].mean())) < 0.05
    peak = np.unravel_index(heatmap.argmax(), heatmap.shape)
    where = positions(case.affine, case.shape)
    assert np.linalg.norm(where[peak] - LESION) < 6.0
    raised = small.detect(case, plain, PLAIN).heatmap
    assert float(raised[raised != 0].mean()) > 1.0


def test_a_normal_case_in_another_look_is_no_higher_than_the_normals(
    small: Detector, translated: SupportSet
) -> None:
    for number in (7, 8):
        healthy = seen_otherwise(study(number), CURVES["gamma"])
        sick = seen_otherwise(study(number, lesion=True), CURVES["gamma"])
        result = small.detect(healthy, translated, TRANSLATED)
        highest = max(result.calibration.normal_case_scores)
        assert result.case_score < 1.5 * highest
        assert small.detect(sick, translated, TRANSLATED).case_score > 2 * highest


@pytest.mark.parametrize("count", [2, 3])
def test_every_normal_has_the_same_share(small: Detector, count: int) -> None:
    support = small.prepare_support(normals(count), TRANSLATED)
    result = small.detect(study(7, lesion=True), support, TRANSLATED)
    assert np.isfinite(result.heatmap).all()
    assert [each.share for each in result.provenance.supports] == pytest.approx([1 / count] * count)
    assert result.provenance.parameters["comparison"] == "translated"
    assert result.provenance.parameters["weighting"] == "equal"
    assert len(result.calibration.normal_case_scores) == count
    assert np.isfinite(result.calibration.normal_case_scores).all()


def test_planes_are_averaged_in_units_of_the_normals_mean(small: Detector) -> None:
    planes = (Plane.AXIAL, Plane.SAGITTAL)
    case = seen_otherwise(study(7, lesion=True), CURVES["inverted"])
    support = small.prepare_support(normals(), replace(TRANSLATED, planes=planes))
    maps = [
        small.detect(case, support, replace(TRANSLATED, planes=subset)).heatmap
        for subset in (planes, planes[:1], planes[1:])
    ]
    in_plane = []
    for heatmap, plane in zip(maps[1:], planes, strict=True):
        own = support.scale((plane,))
        in_plane.append(np.where(heatmap != 0, heatmap * own.spread + own.centre, 0.0))
    mean = np.mean(in_plane, axis=0)
    scale = support.scale(planes)
    inside = ndimage.binary_erosion(mean != 0, iterations=2)
    expected = (mean[inside] - scale.centre) / scale.spread
    np.testing.assert_allclose(maps[0][inside], expected, atol=1e-3)


def test_the_p_value_is_said_to_be_optimistic(
    small: Detector, translated: SupportSet, plain: SupportSet
) -> None:
    """Translated normals share their units, however many they are."""
    case = study(7)
    assert "optimistic" in small.detect(case, translated, TRANSLATED).calibration.statement
    assert "optimistic" not in small.detect(case, plain, PLAIN).calibration.statement


def test_a_study_scores_the_same_again(small: Detector, translated: SupportSet) -> None:
    case = study(7, lesion=True)
    first = small.detect(case, translated, TRANSLATED)
    again = small.detect(case, small.prepare_support(normals(), TRANSLATED), TRANSLATED)
    np.testing.assert_array_equal(first.heatmap, again.heatmap)
    assert first.case_score == again.case_score


def test_a_support_prepared_the_other_way_is_refused(
    small: Detector, translated: SupportSet, plain: SupportSet
) -> None:
    case = study(7)
    with pytest.raises(
        SupportError, match=r"comparison window; .* body, False, translated\. Prepare"
    ):
        small.detect(case, plain, TRANSLATED)
    window = replace(PLAIN, comparison=ComparisonKind.WINDOW)
    with pytest.raises(
        SupportError, match=r"comparison translated; .* body, False, window\. Prepare"
    ):
        small.detect(case, translated, window)


def test_a_model_that_cannot_translate_says_so() -> None:
    alone = detector(scoring=ScoringConfig({MapKind.TEACHER_STUDENT: (0.0, 1.0, 1.0)}))
    with pytest.raises(ConfigurationError, match="cannot be translated"):
        alone.prepare_support(normals(2), TRANSLATED)


def test_progress_only_moves_forward(small: Detector, translated: SupportSet) -> None:
    steps: list[tuple[str, float]] = []
    small.detect(
        study(7), translated, TRANSLATED, lambda step, fraction: steps.append((step, fraction))
    )
    fractions = [fraction for _, fraction in steps]
    assert fractions == sorted(fractions)
    assert "translating the normals" in [step for step, _ in steps]
