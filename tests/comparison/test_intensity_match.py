import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d24fad_core.comparison.intensity_match import match_intensities

SHAPE = (6, 12, 12)


def tissue(seed: int = 0) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) + 0.2


@settings(max_examples=30, deadline=None)
@given(gain=st.floats(0.2, 40.0), offset=st.floats(-0.15, 0.1), abnormal=st.floats(0.0, 0.25))
def test_a_linear_change_is_undone_whatever_a_quarter_shows(
    gain: float, offset: float, abnormal: float
) -> None:
    reference = tissue()
    study = (reference - offset) / gain
    lesion = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) < abnormal
    study = torch.where(lesion, study.max() + 2.0 / gain, study)
    match = match_intensities(study, reference, torch.ones(SHAPE, dtype=torch.bool))
    restored = match(study)[~lesion]
    torch.testing.assert_close(restored, reference[~lesion], atol=0.02, rtol=0.02)


def test_a_study_that_agrees_nowhere_is_not_flattened() -> None:
    """As a real scan beside simulated ones: what stands out in it must stand out afterwards."""
    study, reference = 3.0 * tissue(1) + 2.0, tissue()
    lesion = torch.zeros(SHAPE, dtype=torch.bool)
    lesion[1:3, 2:5, 2:5] = True
    study[lesion] = 8.0
    match = match_intensities(study, reference, torch.ones(SHAPE, dtype=torch.bool))
    assert match.gain == pytest.approx(1 / 3, rel=0.1)
    assert float(match(study)[lesion].min()) > float(reference.max())
    assert float(match(study)[~lesion].median()) == pytest.approx(
        float(reference.median()), abs=0.05
    )


def test_what_lies_outside_has_no_say() -> None:
    reference, inside = tissue(), torch.zeros(SHAPE, dtype=torch.bool)
    inside[2:4] = True
    study = torch.where(inside, reference * 3.0, torch.full(SHAPE, 50.0))
    match = match_intensities(study, reference, inside)
    assert match.gain == pytest.approx(1 / 3, rel=1e-3)
    assert match.offset == pytest.approx(0.0, abs=1e-3)


def test_a_constant_study_stays_as_it_is() -> None:
    match = match_intensities(torch.ones(SHAPE), tissue(), torch.ones(SHAPE, dtype=torch.bool))
    assert (match.gain, match.offset) == (1.0, 0.0)


def test_nothing_inside_stays_as_it_is() -> None:
    match = match_intensities(tissue(), tissue(1), torch.zeros(SHAPE, dtype=torch.bool))
    assert (match.gain, match.offset) == (1.0, 0.0)
