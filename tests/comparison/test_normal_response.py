"""Log-odds beside what untouched people show at the same place."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from d24fad_core.comparison.normal_response import NormalResponse, ResponseMap, measure_response

SHAPE = (12, 10, 8)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
SOMEWHERE = st.floats(-12.0, 6.0)


def response(mean: Sequence[float], spread: Sequence[float]) -> NormalResponse:
    return NormalResponse(torch.tensor(mean), torch.tensor(spread), -8.0, 1.0)


@given(SOMEWHERE, st.floats(0.0, 3.0), st.floats(-3.0, 8.0))
def test_equal_surprise_is_the_same_at_every_place(
    mean: float, spread: float, surprise: float
) -> None:
    here = response([mean, -8.0], [spread, 1.0])
    log_odds = torch.tensor([mean + surprise * (spread + 0.5), -8.0 + surprise * 1.5])
    at_one_place, at_the_average = here.evened(log_odds)
    assert at_one_place == pytest.approx(float(at_the_average), abs=1e-3)


def test_an_average_place_changes_nothing() -> None:
    values = torch.tensor([-9.0, -2.0, 3.0])
    torch.testing.assert_close(response([-8.0] * 3, [1.0] * 3).evened(values), values)


def test_what_many_people_show_counts_less() -> None:
    """A ventricle's edge, where untouched people often have high log-odds."""
    quiet, busy = response([-8.0, -4.0], [0.5, 2.0]).evened(torch.tensor([-2.0, -2.0]))
    assert busy < quiet - 2.0


def people(count: int) -> tuple[Tensor, Tensor]:
    """Log-odds about -8, in one half of the head -5 with twice the spread; nobody at one end."""
    rng = np.random.default_rng(3)
    values = -8.0 + rng.standard_normal((count, 1, 1, 1)) * np.ones((count, *SHAPE))
    values[:, :6] = -5.0 + 2.0 * (values[:, :6] + 8.0)
    inside = np.ones(values.shape, dtype=bool)
    inside[..., 6:] = False
    values[~inside] = 55.0
    return torch.from_numpy(values).float(), torch.from_numpy(inside)


def test_people_are_summed_up_place_by_place() -> None:
    log_odds, inside = people(200)
    map_ = measure_response(log_odds, inside, torch.ones(200), AFFINE)
    assert map_.mean.shape == SHAPE
    assert map_.mean[1, 4, 1] == pytest.approx(-5.0, abs=0.4)
    assert map_.mean[10, 4, 1] == pytest.approx(-8.0, abs=0.4)
    assert map_.spread[1, 4, 1] / map_.spread[10, 4, 1] == pytest.approx(2.0, abs=0.2)
    assert -8.0 < map_.average_mean < -5.0
    assert abs(map_.mean[..., 7] - map_.average_mean).max() < 0.8, "nobody is there"


def test_weights_count() -> None:
    log_odds, inside = people(2)
    log_odds[0, inside[0]], log_odds[1, inside[1]] = -9.0, -3.0
    map_ = measure_response(log_odds, inside, torch.tensor([3.0, 1.0]), AFFINE)
    assert map_.average_mean == pytest.approx(-7.5, abs=0.1)


def test_it_is_stored_at_four_millimetres() -> None:
    log_odds = torch.full((2, 24, 20, 16), -8.0)
    fine = np.array([[2.0, 0, 0, -20], [0, 2.0, 0, -9], [0, 0, 2.0, 5], [0, 0, 0, 1]])
    map_ = measure_response(
        log_odds, torch.ones(log_odds.shape, dtype=torch.bool), torch.ones(2), fine
    )
    assert map_.mean.shape == (12, 10, 8)
    np.testing.assert_allclose(map_.affine[:3, 3], [-20, -9, 5])
    np.testing.assert_allclose(np.diag(map_.affine), [4, 4, 4, 1])


def test_a_study_gets_it_where_it_lies() -> None:
    """Whatever the study's grid, a voxel gets the value of its place in MNI space."""
    places = np.indices(SHAPE).astype(np.float32)
    map_ = ResponseMap(places[0], places[1], AFFINE, -8.0, 1.0)
    # Flipped, of other voxels, and beginning elsewhere.
    to_mni = np.array([[-2.0, 0, 0, 30], [0, 3.0, 0, 6], [0, 0, 2.0, 4], [0, 0, 0, 1.0]])
    here = map_.on_grid((10, 8, 9), to_mni)
    for voxel in ((0, 0, 0), (5, 3, 2), (9, 7, 8)):
        place = to_mni[:3, :3] @ voxel + to_mni[:3, 3]
        assert here.mean[voxel] == pytest.approx(place[0] / 4.0, abs=1e-4)
        assert here.spread[voxel] == pytest.approx(place[1] / 4.0, abs=1e-4)
