"""Conformal calibration, counted in patients."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monailabel_app.calibration.normal_scale import Calibration, NormalScore
from monailabel_app.failures import RequestError


def calibration(*scores: float) -> Calibration:
    return Calibration.of([NormalScore(f"p{n}", f"i{n}", s) for n, s in enumerate(scores)])


def test_studies_of_one_patient_count_once_with_the_highest_score() -> None:
    scale = Calibration.of(
        [
            NormalScore("a", "a1", 1.0),
            NormalScore("a", "a2", 3.0),
            NormalScore("b", "b1", 2.0),
        ]
    )
    assert scale.patients == 2
    assert [(n.patient, n.score) for n in scale.normals] == [("a", 3.0), ("b", 2.0)]


@pytest.mark.parametrize(("patients", "smallest"), [(8, 0.111), (20, 0.048), (99, 0.01)])
def test_the_smallest_p_value_is_that_of_the_literature(patients: int, smallest: float) -> None:
    scale = calibration(*range(patients))
    assert scale.p_value(1000.0) == pytest.approx(smallest, abs=5e-4)


def test_p_values_count_the_normals_at_or_above() -> None:
    scale = calibration(1.0, 2.0, 3.0, 4.0)
    assert scale.p_value(4.5) == pytest.approx(1 / 5)
    assert scale.p_value(3.0) == pytest.approx(3 / 5)
    assert scale.p_value(0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("rate", "needed"), [(0.05, 19), (0.01, 99), (0.1, 9)])
def test_too_few_normals_are_refused_with_the_number_needed(rate: float, needed: int) -> None:
    with pytest.raises(RequestError, match=f"needs {needed} normal patients") as refusal:
        calibration(*range(needed - 1)).threshold(rate)
    assert refusal.value.code == "too_few_normals"
    assert refusal.value.status == 409
    calibration(*range(needed)).threshold(rate)


def test_a_threshold_lets_through_the_wanted_share_of_new_normals() -> None:
    draw = random.Random(0)
    exceeded = 0
    rounds = 4000
    for _ in range(rounds):
        normals = calibration(*(draw.gauss(0, 1) for _ in range(39)))
        exceeded += draw.gauss(0, 1) > normals.threshold(0.1)
    # Exactly 0.1 is expected; the bound is five standard errors wide.
    assert exceeded / rounds == pytest.approx(0.1, abs=0.024)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60), st.floats(0.02, 0.9))
def test_the_curve_and_the_threshold_agree(scores: list[float], rate: float) -> None:
    scale = calibration(*scores)
    try:
        threshold = scale.threshold(rate)
    except RequestError:
        assert scale.smallest > rate
        return
    guaranteed = max(r for t, r in scale.curve() if t == threshold)
    assert min(r for t, r in scale.curve() if t == threshold) <= rate + 1e-9
    assert 0 < guaranteed <= 1


def test_the_statement_says_what_cannot_be_certified() -> None:
    assert "cannot certify a false-positive rate of 5 %" in calibration(*range(8)).statement()
    assert "not of 1 %" in calibration(*range(19)).statement()
    assert "1 normal patient outside the support set" in calibration(1.0).statement()
