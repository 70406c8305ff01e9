"""FROC against counting by hand and by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.evaluation.metrics.bootstrap import draw_cases
from d24fad_core.evaluation.metrics.lesions import (
    FROC_RATES,
    ScannedLesions,
    measure_lesions,
    scan_lesions,
)
from d24fad_core.evaluation.metrics.scored_image import ScoredImage

CONFIDENCE = st.integers(-3, 6).map(float)
SCANS = st.lists(
    st.builds(
        ScannedLesions,
        st.lists(st.none() | CONFIDENCE, max_size=4).map(tuple),
        st.lists(CONFIDENCE, max_size=6).map(tuple),
    ),
    min_size=1,
    max_size=5,
).filter(lambda scans: any(scan.hits for scan in scans))


def by_every_threshold(scans: list[ScannedLesions], rate: float) -> float:
    hits = [hit for scan in scans for hit in scan.hits]
    false = [score for scan in scans for score in scan.false_positives]
    reached = [0.0]
    for threshold in [*false, *(hit for hit in hits if hit is not None)]:
        if sum(score >= threshold for score in false) <= rate * len(scans):
            reached.append(sum(h is not None and h >= threshold for h in hits) / len(hits))
    return max(reached)


def test_the_rates_are_those_of_luna16() -> None:
    assert FROC_RATES == (0.125, 0.25, 0.5, 1, 2, 4, 8)


@given(SCANS)
def test_sensitivity_is_the_best_that_any_threshold_reaches(scans: list[ScannedLesions]) -> None:
    figures = measure_lesions(scans, rounds=2)
    for rate, estimate in zip(FROC_RATES, figures.sensitivity, strict=True):
        assert estimate.value == pytest.approx(by_every_threshold(scans, rate))
    assert figures.mean.value == pytest.approx(np.mean([e.value for e in figures.sensitivity]))
    assert figures.lesions == sum(len(scan.hits) for scan in scans)


@given(SCANS, st.integers(0, 100))
def test_a_resample_counts_the_drawn_scans_written_out(
    scans: list[ScannedLesions], seed: int
) -> None:
    counts = draw_cases([bool(scan.hits) for scan in scans], rounds=1, seed=seed)[0].astype(int)
    again = [scan for scan, count in zip(scans, counts, strict=True) for _ in range(count)]
    figures = measure_lesions(scans, rounds=1, seed=seed)
    for rate, estimate in zip(FROC_RATES, figures.sensitivity, strict=True):
        expected = by_every_threshold(again, rate)
        assert estimate.interval == (
            None if len(scans) == 1 else pytest.approx((expected, expected))
        )


def test_a_curve_counted_by_hand() -> None:
    scans = [
        ScannedLesions((9.0, 5.0, None), (7.0, 4.0)),
        ScannedLesions((), (6.0,)),  # a normal scan: its alarms count, and so does it
    ]
    figures = measure_lesions(scans, rates=(0.0, 0.5, 1.0, 2.0))
    # At most 0, 1, 2, 4 false positives: thresholds above 7, above 6, above 4, none.
    assert [e.value for e in figures.sensitivity] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert (figures.scans, figures.lesions) == (2, 3)


def spots(*heights: tuple[int, float], length: int = 60) -> np.ndarray:
    """A line of voxels with single peaks, drawn along the first of three axes."""
    volume = np.full((length, 1, 1), 0.1, np.float32)
    for place, height in heights:
        volume[place] = height
    return volume


def test_a_candidate_hits_the_lesion_that_it_lies_in() -> None:
    truth = spots() > 1
    truth[10:13] = truth[30:33] = truth[50:53] = True
    heatmap = spots((11, 8.0), (33, 7.0), (20, 5.0), (50, 3.0), (51, 4.0))
    heatmap += np.linspace(0, 0.01, 60, dtype=np.float32)[:, None, None]  # no flat ground
    lesions = scan_lesions(ScoredImage(heatmap, truth), (2.0, 2.0, 2.0))
    assert lesions.hits[0] == pytest.approx(8.0, abs=0.02)
    assert lesions.hits[1] is None  # the peak at 33 is beside it, with no tolerance
    assert lesions.hits[2] == pytest.approx(4.0, abs=0.02)
    assert lesions.false_positives[:2] == pytest.approx((7.0, 5.0), abs=0.02)


def test_several_hits_of_one_lesion_count_once() -> None:
    truth = spots() > 1
    truth[5:50] = True
    lesions = scan_lesions(
        ScoredImage(spots((10, 3.0), (25, 6.0), (40, 5.0)), truth, truth), (1.0, 1.0, 1.0)
    )
    assert lesions == ScannedLesions((6.0,), ())


def test_neighbouring_voxels_of_one_height_are_one_candidate() -> None:
    truth = spots() > 1
    heatmap = spots((10, 3.0), (11, 3.0), (12, 3.0))
    lesions = scan_lesions(ScoredImage(heatmap, truth, heatmap > 1), (1.0, 1.0, 1.0))
    assert lesions.false_positives == (3.0,)


def test_distance_between_candidates_is_in_mm() -> None:
    truth = spots() > 1
    heatmap = spots((10, 3.0), (14, 4.0))
    image = ScoredImage(heatmap, truth, heatmap > 1)
    assert scan_lesions(image, (1.0, 1.0, 1.0)).false_positives == (4.0,)
    assert scan_lesions(image, (2.0, 1.0, 1.0)).false_positives == (4.0, 3.0)


def test_what_does_not_count_is_no_candidate() -> None:
    truth = spots() > 1
    heatmap = spots((10, 9.0), (12, 4.0))
    considered = np.ones_like(truth)
    considered[10] = False
    lesions = scan_lesions(ScoredImage(heatmap, truth, considered), (1.0, 1.0, 1.0))
    assert lesions.false_positives[0] == 4.0


def test_a_flat_image_in_two_dimensions_is_one_candidate() -> None:
    truth = np.zeros((8, 8), bool)
    truth[2, 2] = True
    lesions = scan_lesions(ScoredImage(np.zeros((8, 8), np.float32), truth), (1.0, 1.0))
    assert lesions == ScannedLesions((0.0,), ())


def test_scans_without_lesions_cannot_be_measured() -> None:
    with pytest.raises(InputError, match=r"none of 1 scans has a lesion"):
        measure_lesions([ScannedLesions((), (1.0,))])


def test_rates_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"false positives a scan of \(-1,\)"):
        measure_lesions([ScannedLesions((1.0,), ())], rates=(-1,))


def test_a_spacing_is_needed_for_every_axis() -> None:
    truth = spots() > 1
    with pytest.raises(InputError, match="2 spacings for a map of 3 axes"):
        scan_lesions(ScoredImage(spots(), truth), (1.0, 1.0))
