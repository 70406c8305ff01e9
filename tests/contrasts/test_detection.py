"""Several contrasts of small people: what is fused, where it lies and what is said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d24fad_core.contrasts.detection import ContrastDetector
from d24fad_core.contrasts.person import Person
from d24fad_core.contrasts.support import ContrastSupport
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import AnomalyResult, WarningCode
from d24fad_core.errors import InputError, SupportError
from d24fad_core.io.known_studies import volume_of
from tests.contrasts.people import case, lesion_voxels, normal_person
from tests.detection.small_studies import detector, study

OPTIONS = DetectionOptions()
NAMES = ("one", "two")


@pytest.fixture(scope="module")
def small() -> Detector:
    return detector()


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [normal_person(number) for number in range(3)]


@pytest.fixture(scope="module")
def support(small: Detector, people: list[Person]) -> ContrastSupport:
    return ContrastDetector(small).prepare_support(people, NAMES, OPTIONS)


@pytest.fixture(scope="module")
def result(small: Detector, support: ContrastSupport) -> AnomalyResult:
    return ContrastDetector(small).detect(case("one", "two"), support, OPTIONS)


def test_the_result_lies_on_the_grid_of_the_first_contrast(result: AnomalyResult) -> None:
    first = case()["one"]
    assert result.heatmap.shape == result.mask.shape == first.shape
    np.testing.assert_array_equal(result.affine, first.affine)
    assert [use.contrast for use in result.contrasts] == ["one", "two"]
    assert result.contrasts[0].to_contrast == tuple(map(tuple, np.eye(4)))


@pytest.mark.parametrize("contrast", NAMES)
def test_a_finding_says_which_contrast_carries_it(
    small: Detector, support: ContrastSupport, contrast: str
) -> None:
    scans = case(contrast)
    fusion = ContrastDetector(small).detect(scans, support, OPTIONS)
    lesion = lesion_voxels(study(7))
    first = fusion.findings[0]
    assert lesion[first.peak_voxel] or fusion.mask[lesion].mean() > 0.5
    assert first.carried_by == contrast
    assert [score.contrast for score in first.contrasts] == list(NAMES)
    assert first.contrasts[0].mean_score <= first.contrasts[0].peak_score


def test_scores_are_in_units_of_the_normals_own_fused_maps(
    small: Detector, support: ContrastSupport, result: AnomalyResult
) -> None:
    """Another normal person is about as the normals are, each against the others."""
    person = normal_person(5)
    scans = {name: volume_of(scan) for name, scan in person.scans.items()}
    normal = ContrastDetector(small).detect(scans, support, OPTIONS)
    inside = normal.heatmap[normal.heatmap != 0]
    assert abs(float(inside.mean())) < 1.5
    assert 0.5 < float(inside.std()) < 2.5
    assert normal.case_score < result.case_score


def test_a_kept_scale_gives_the_same_result(
    small: Detector, people: list[Person], result: AnomalyResult, tmp_path: Path
) -> None:
    together = ContrastDetector(small, tmp_path)
    together.prepare_support(people, NAMES, OPTIONS)
    for kind in ("fused-scales", "joint-normals"):
        assert len(list((tmp_path / kind).iterdir())) == 1
    again = together.prepare_support(people, NAMES, OPTIONS)
    repeated = together.detect(case("one", "two"), again, OPTIONS)
    np.testing.assert_array_equal(repeated.heatmap, result.heatmap)
    assert repeated.findings == result.findings
    assert repeated.calibration == result.calibration


def test_a_contrast_of_something_else_is_warned_of(
    small: Detector, support: ContrastSupport
) -> None:
    scans = case("one")
    half = scans["two"].array.copy()
    half[:, : half.shape[1] // 2] = half.min()
    scans["two"] = replace(scans["two"], array=half)
    fusion = ContrastDetector(small).detect(scans, support, OPTIONS)
    warnings = [each for each in fusion.warnings if each.code is WarningCode.CONTRAST_UNLIKE]
    assert len(warnings) == 1 and "two" in warnings[0].sentence and warnings[0].remedy
    # Doubts about a contrast's own comparison name it.
    assert all(
        each.sentence.startswith("In two: ")
        for each in fusion.warnings
        if each.code is WarningCode.OTHER_SIZE
    )


def test_a_case_without_a_contrast_of_its_support_is_refused(
    small: Detector, support: ContrastSupport
) -> None:
    with pytest.raises(SupportError, match="lacks two"):
        ContrastDetector(small).detect({"one": case()["one"]}, support, OPTIONS)


def test_one_scan_of_the_case_as_two_contrasts_is_refused(
    small: Detector, support: ContrastSupport
) -> None:
    one = case()["one"]
    with pytest.raises(InputError, match="one and two are the same scan"):
        ContrastDetector(small).detect({"one": one, "two": one}, support, OPTIONS)


def test_a_single_contrast_scores_as_it_always_did(small: Detector, people: list[Person]) -> None:
    """With one contrast the fused map is the map, in the units of the same normals."""
    alone = small.prepare_support([person.scans["one"] for person in people], OPTIONS)
    single = small.detect(case("one")["one"], alone, OPTIONS)
    together = ContrastDetector(small)
    fused = together.detect(
        case("one"), together.prepare_support(people, ("one",), OPTIONS), OPTIONS
    )
    np.testing.assert_allclose(fused.heatmap, single.heatmap, atol=0.02)
    assert volume_of(people[0].scans["one"]).name == "normal-0"
