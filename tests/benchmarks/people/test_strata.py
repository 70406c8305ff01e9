import numpy as np
import pytest

from benchmarks.people.cohorts import Truth
from benchmarks.people.measures import measure
from benchmarks.people.methods import Score
from benchmarks.people.scores import ScoredCase, compare
from benchmarks.people.strata import CLEAR, STRATA, list_lesions, measure_stratum
from tests.benchmarks.people.small_people import person
from tests.benchmarks.people.test_measures import FIGURES

VOXEL_ML = 0.064
LARGE = (slice(20, 24), slice(24, 28), slice(18, 22))
SMALL = (slice(20, 22), slice(16, 18), slice(20, 21))
FAINT = STRATA[[stratum.name for stratum in STRATA].index("faint")]


def _scored(large: float, small: float, elsewhere: float) -> ScoredCase:
    """A large clear lesion and a small faint one with their scores; marked from 0.5."""
    study = person(0)
    inside, clear = np.zeros(study.brain.shape, bool), np.zeros(study.brain.shape, bool)
    inside[LARGE] = inside[SMALL] = clear[LARGE] = True
    heat = np.where(study.brain, 0.01, 0)
    heat[LARGE], heat[SMALL] = large, small
    heat[28, 20, 20] = elsewhere
    score = Score(heat.astype(np.float32), heat > 0.5, 1.0, 0.5)
    return compare(FIGURES, study, Truth(inside, clear), score)


def _untouched() -> ScoredCase:
    study = person(1)
    nowhere = np.zeros(study.brain.shape, bool)
    heat = np.where(study.brain, 0.01, 0).astype(np.float32)
    return compare(FIGURES, study, Truth.unmeasured(nowhere), Score(heat, nowhere, 0.0, 0.5))


def test_lesions_are_listed_with_what_a_method_says_of_them() -> None:
    listed = list_lesions(_scored(0.9, 0.3, 0.7))
    small, large = sorted(listed.lesions, key=lambda lesion: lesion.volume_ml)
    assert (large.clear, large.volume_ml) == (True, pytest.approx(64 * VOXEL_ML))
    assert (small.clear, small.volume_ml) == (False, pytest.approx(4 * VOXEL_ML))
    assert (large.confidence, small.confidence) == pytest.approx((0.9, 0.3))
    assert (large.marked, small.marked) == (True, False)
    assert listed.false_positives[0] == pytest.approx(0.7)


def test_each_lesion_belongs_to_one_stratum_of_its_visibility_and_one_of_its_size() -> None:
    for lesion in list_lesions(_scored(0.9, 0.3, 0.7)).lesions:
        names = [stratum.name for stratum in STRATA if lesion.belongs_to(stratum)]
        word = "clear" if lesion.clear else "faint"
        assert len(names) == 2
        assert names[0] == word
        assert names[1].startswith(f"{word}, ")


def test_strata_are_measured_apart() -> None:
    cases = [list_lesions(case) for case in (_scored(0.9, 0.001, 0.7), _untouched())]
    clear, faint = (measure_stratum(cases, stratum, rounds=20) for stratum in (CLEAR, FAINT))
    assert clear is not None
    assert faint is not None
    assert (clear.lesions, clear.cases, faint.lesions) == (1, 1, 1)
    assert (clear.froc.value, clear.sensitivity.value, clear.marked.value) == (1, 1, 1)
    assert (faint.froc.value, faint.marked.value) == (0, 0)


def test_lesions_of_other_strata_are_no_false_positives() -> None:
    # The faint lesion scores highest; the clear one is found first all the same.
    cases = [_scored(0.6, 0.9, 0.3), _untouched()]
    clear = measure_stratum([list_lesions(case) for case in cases], CLEAR, rounds=20)
    assert clear is not None
    assert clear.froc.value == 1
    assert measure(cases, rounds=20).froc_clear == clear.froc


def test_an_empty_stratum_has_no_measures() -> None:
    assert measure_stratum([list_lesions(_untouched())], CLEAR, rounds=20) is None
