import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.outlines import outline_regions
from d24fad_core.detection.rank_map import label_findings

THRESHOLD, LOWEST = 6.0, 3.0


def hill(peak: float, width: float = 12.0) -> NDArray[np.float32]:
    """A score that falls evenly with the distance from the middle."""
    places = np.indices((31, 31, 31)) - 15
    distance = np.sqrt((places**2).sum(axis=0))
    return np.clip(peak * (1.0 - distance / width), 0.0, None).astype(np.float32)


def outlined(heatmap: NDArray[np.float32], lowest: float = LOWEST) -> NDArray[np.bool_]:
    return outline_regions(heatmap, heatmap > THRESHOLD, THRESHOLD, lowest)


@pytest.mark.parametrize(("peak", "level"), [(7.0, 5.5), (10.0, 4.0), (40.0, LOWEST)])
def test_the_higher_the_peak_the_further_the_outline(peak: float, level: float) -> None:
    heatmap = hill(peak)
    np.testing.assert_array_equal(outlined(heatmap), heatmap > level)


def test_only_what_hangs_together_with_the_peak_is_reached() -> None:
    heatmap = np.zeros((20, 20, 20), np.float32)
    heatmap[3:6, 3:6, 3:6] = 10.0
    heatmap[6:9, 3:6, 3:6] = 5.0
    heatmap[15:18, 15:18, 15:18] = 5.0
    expected = np.zeros(heatmap.shape, bool)
    expected[3:9, 3:6, 3:6] = True
    np.testing.assert_array_equal(outlined(heatmap), expected)


def test_regions_that_reach_each_other_are_one_finding() -> None:
    heatmap = np.zeros((20, 20, 20), np.float32)
    heatmap[2:16, 9:12, 9:12] = 5.0
    heatmap[2:5, 9:12, 9:12] = 12.0
    heatmap[13:16, 9:12, 9:12] = 7.0
    _, apart = find_findings(heatmap, THRESHOLD, np.eye(4), 2, 0.0)
    mask, (together,) = find_findings(heatmap, THRESHOLD, np.eye(4), 2, 0.0, LOWEST)
    assert len(apart) == 2
    assert together.volume_ml == pytest.approx(14 * 9 / 1000)
    assert together.peak_score == 12.0
    assert (label_findings(mask, (together,)) == mask).all()


def test_a_region_too_small_before_it_grows_is_no_finding() -> None:
    heatmap = hill(7.0)
    core_ml = np.count_nonzero(heatmap > THRESHOLD) / 1000
    mask, findings = find_findings(heatmap, THRESHOLD, np.eye(4), 2, core_ml * 1.1, LOWEST)
    assert not findings and not mask.any()


def test_without_a_lower_level_outlines_lie_at_the_threshold() -> None:
    heatmap = hill(10.0)
    for lowest in (THRESHOLD, THRESHOLD + 1.0):
        np.testing.assert_array_equal(outlined(heatmap, lowest), heatmap > THRESHOLD)


@given(seed=st.integers(0, 2**16), lowest=st.floats(-2.0, 6.0))
@settings(max_examples=30, deadline=None)
def test_outlines_hold_all_regions_and_nothing_that_is_low(seed: int, lowest: float) -> None:
    noise = np.random.default_rng(seed).standard_normal((16, 16, 16))
    smooth = ndimage.gaussian_filter(noise, 1.5)
    heatmap = (4.0 + 2.5 * smooth / smooth.std()).clip(0.0).astype(np.float32)
    reached = outlined(heatmap, lowest)
    assert reached[heatmap > THRESHOLD].all()
    assert not reached[heatmap <= lowest].any()
    mask, findings = find_findings(heatmap, THRESHOLD, np.eye(4), 2, 0.0, lowest)
    np.testing.assert_array_equal(mask > 0, reached)
    ranks = label_findings(mask, findings)
    assert all(
        (ranks == each.rank).sum() / 1000 == pytest.approx(each.volume_ml) for each in findings
    )
