import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d24fad_core.comparison.normal_range import beyond_normals, with_floor

SHAPE = (16, 18, 14)


def normals(seed: int = 0) -> torch.Tensor:
    return 0.5 + 0.05 * torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(seed))


def everywhere() -> torch.Tensor:
    return torch.ones(SHAPE, dtype=torch.bool)


@given(seed=st.integers(0, 1000), number=st.integers(0, 3))
def test_a_normal_never_leaves_the_range_of_a_set_that_holds_it(seed: int, number: int) -> None:
    several = normals(seed)
    assert float(beyond_normals(several[number], several, everywhere()).max()) == 0.0


@pytest.mark.parametrize("change", [0.6, -0.6])
def test_bright_and_dark_lesions_leave_it(change: float) -> None:
    several = normals()
    query = several.mean(0)
    query[6:10, 7:11, 5:9] += change
    beyond = beyond_normals(query, several, everywhere())
    assert float(beyond[7:9, 8:10, 6:8].min()) > 0.2
    assert float(beyond[:4].max()) == 0.0


def test_what_only_lies_elsewhere_in_the_normals_is_no_reason() -> None:
    """A ventricle that is a little larger than all normals have it."""
    several = normals()
    several[:, 6:9] = 0.1
    query = several.mean(0)
    query[6:11] = 0.1
    assert float(beyond_normals(query, several, everywhere()).max()) < 0.05


def test_the_map_ranks_what_is_brighter_by_how_much_brighter_it_is() -> None:
    several = normals()
    query = several.mean(0)
    query[3:6, 3:6, 3:6] += 0.4
    query[10:13, 10:13, 9:12] += 0.8
    blind = torch.full(SHAPE, -6.0)
    raised = with_floor(blind, query, several, everywhere(), threshold=1.0)
    assert float(raised[11, 11, 10]) > float(raised[4, 4, 4]) > 1.0
    assert float(raised[0, 0, 0]) == -6.0


def test_the_decoders_own_log_odds_are_never_lowered() -> None:
    several = normals()
    query = several.mean(0) + torch.rand(SHAPE)
    log_odds = torch.randn(SHAPE)
    raised = with_floor(log_odds, query, several, everywhere(), threshold=0.0)
    assert bool((raised >= log_odds).all())


def test_nothing_outside_the_study_is_raised() -> None:
    inside = everywhere()
    inside[8:] = False
    query = torch.where(inside, normals().mean(0), torch.tensor(2.0))
    log_odds = torch.zeros(SHAPE)
    raised = with_floor(log_odds, query, normals(), inside, threshold=0.0)
    assert float(raised[8:].max()) == 0.0


def test_a_brain_that_ends_lower_than_the_normals_is_no_finding() -> None:
    several = normals()
    several[:, :, :9] = 0.0
    query = normals(3).mean(0)
    assert float(query[:, 2].min()) > 0.3, "it reaches further than any normal does"
    assert float(beyond_normals(query, several, everywhere()).max()) < 0.05


def test_what_half_of_the_normals_hold_can_be_left() -> None:
    several = normals()
    several[:2, :8] = 0.0
    query = normals(3).mean(0)
    query[2:7, 7:12, 5:10] += 0.6
    assert float(beyond_normals(query, several, everywhere())[4, 9, 7]) > 0.2


def test_a_thin_sheet_is_no_lesion() -> None:
    """The edge of a mask, or of a fold that was moved."""
    several = normals()
    query = several.mean(0)
    query[:, 8:10] += 0.8
    assert float(beyond_normals(query, several, everywhere()).max()) == 0.0
