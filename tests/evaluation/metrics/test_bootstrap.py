import numpy as np
import pytest

from d24fad_core.evaluation.metrics.bootstrap import draw_cases, estimate, interval_95


def test_cases_are_drawn_again_within_their_kind() -> None:
    kinds = np.array([0, 1, 0, 1, 1])
    counts = draw_cases(kinds, rounds=200, seed=3)
    assert counts.shape == (200, 5)
    assert (counts[:, kinds == 0].sum(axis=1) == 2).all()
    assert (counts[:, kinds == 1].sum(axis=1) == 3).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(5), abs=0.15)
    assert counts.max() == 3


def test_draws_follow_from_the_seed() -> None:
    assert (draw_cases([0, 0, 1, 1], rounds=9) == draw_cases([0, 0, 1, 1], rounds=9)).all()
    assert (draw_cases([0, 0, 1, 1], rounds=9) != draw_cases([0, 0, 1, 1], rounds=9, seed=1)).any()


def test_the_interval_is_the_middle_95_percent() -> None:
    assert interval_95(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))


def test_one_case_has_no_interval() -> None:
    resampled = np.array([0.5, 0.5])
    assert estimate(0.5, resampled, 1).interval is None
    assert estimate(0.5, resampled, 2).interval == (0.5, 0.5)
