"""Pixel measures against their definitions, written out."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.evaluation.metrics.bootstrap import draw_cases
from d24fad_core.evaluation.metrics.pixels import (
    aupro,
    best_dice,
    dice,
    measure_pixels,
    pixel_auroc,
    pixel_average_precision,
)
from d24fad_core.evaluation.metrics.scored_image import ScoredImage


@st.composite
def image_sets(draw: st.DrawFn) -> list[ScoredImage]:
    """Few small images in 2-D or 3-D; the first has lesion and normal pixels."""
    shape = draw(st.sampled_from([(3, 5), (5, 4), (3, 2, 3)]))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    values = []
    for index in range(draw(st.integers(1, 3))):
        truth = generator.random(shape) < draw(st.sampled_from([0.0, 0.2, 0.5]))
        if index == 0:
            truth.flat[:2] = (True, False)
        scores = generator.integers(-3, 6, shape).astype(np.float32)
        considered = truth | (generator.random(shape) < 0.8)
        if index == 0:
            considered.flat[1] = True
        values.append(ScoredImage(scores, truth, considered))
    return values


def pooled(images: Sequence[ScoredImage]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    return (
        np.concatenate([image.truth[image.considered] for image in images]),
        np.concatenate([image.scores[image.considered] for image in images]),
    )


def regions(images: Sequence[ScoredImage]) -> list[NDArray[np.float32]]:
    """Scores of each connected region, by scipy instead of cc3d."""
    values = []
    for image in images:
        touching = np.ones((3,) * image.truth.ndim)
        labels, count = ndimage.label(image.truth, touching)
        values.extend(image.scores[labels == number] for number in range(1, count + 1))
    return values


def written_out_aupro(images: Sequence[ScoredImage], limit: float) -> float:
    truth, scores = pooled(images)
    rates, overlaps = [0.0], [0.0]
    for threshold in sorted(set(scores.tolist()), reverse=True):
        rates.append(float((scores[~truth] >= threshold).mean()))
        overlaps.append(float(np.mean([(r >= threshold).mean() for r in regions(images)])))
    area = 0.0
    for left, right, low, high in zip(rates, rates[1:], overlaps, overlaps[1:], strict=False):
        if left >= limit:
            break
        end = min(right, limit)
        height = low if right == left else low + (high - low) * (end - left) / (right - left)
        area += (end - left) * (low + height) / 2
    return area / limit


@given(image_sets(), st.sampled_from([0.05, 0.3, 1.0]))
@settings(max_examples=60)
def test_measures_are_what_they_are_defined_as(images: list[ScoredImage], limit: float) -> None:
    truth, scores = pooled(images)
    assert pixel_auroc(images) == pytest.approx(roc_auc_score(truth, scores))
    assert pixel_average_precision(images) == pytest.approx(average_precision_score(truth, scores))
    assert aupro(images, limit) == pytest.approx(written_out_aupro(images, limit))

    by_threshold = {
        float(level): 2
        * (truth & (scores >= level)).sum()
        / (truth.sum() + (scores >= level).sum())
        for level in scores
    }
    reached, threshold = best_dice(images)
    assert reached == pytest.approx(max(by_threshold.values()))
    assert by_threshold[threshold] == pytest.approx(reached)
    assert dice(images, 2.0) == pytest.approx(
        2 * (truth & (scores >= 2)).sum() / (truth.sum() + (scores >= 2).sum())
    )


@given(image_sets(), st.integers(0, 100))
@settings(max_examples=30)
def test_a_resample_measures_the_drawn_images_written_out(
    images: list[ScoredImage], seed: int
) -> None:
    kinds = [image.truth.any() for image in images]
    counts = draw_cases(kinds, rounds=1, seed=seed)[0].astype(int)
    again = [image for image, count in zip(images, counts, strict=True) for _ in range(count)]
    if not any(image.truth.any() for image in again):
        return
    figures = measure_pixels(images, threshold=1.5, rounds=1, seed=seed)
    expected = {
        "auroc": pixel_auroc(again),
        "average_precision": pixel_average_precision(again),
        "aupro": aupro(again),
        "best_dice": best_dice(again)[0],
        "dice": dice(again, 1.5),
    }
    for name, value in expected.items():
        interval = getattr(figures, name).interval
        if len(images) == 1:
            assert interval is None
        else:
            assert interval == pytest.approx((value, value))


def two_lesions() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A large lesion of 8 pixels that is found and one of 1 pixel that is not; 91 others."""
    truth = np.zeros((10, 10), bool)
    truth[1:3, 1:5] = True
    truth[8, 8] = True
    scores = np.zeros((10, 10), np.float32)
    scores[1:3, 1:5] = 9.0
    scores[8, 8] = -1.0
    return scores, truth


def test_a_small_lesion_counts_as_much_as_a_large_one() -> None:
    image = ScoredImage(*two_lesions())
    # The small lesion is reached only once every normal pixel is marked.
    assert aupro([image]) == pytest.approx((0.5 + (0.5 + 0.3 * 0.0)) / 2)
    assert pixel_auroc([image]) == pytest.approx(8 / 9)
    assert best_dice([image]) == (pytest.approx(16 / 17), 9.0)
    assert dice([image], 9.0) == pytest.approx(16 / 17)
    assert dice([image], 9.1) == 0.0


def test_perfect_maps_reach_one_and_inverted_ones_nothing() -> None:
    truth = two_lesions()[1]
    right, wrong = (ScoredImage((sign * truth).astype(np.float32), truth) for sign in (1, -1))
    assert aupro([right]) == pixel_auroc([right]) == best_dice([right])[0] == 1.0
    assert pixel_auroc([wrong]) == aupro([wrong]) == 0.0


def test_pixels_that_touch_at_a_corner_are_one_lesion() -> None:
    flat = np.eye(3, dtype=bool)
    deep = np.zeros((3, 3, 3), bool)
    deep[[0, 1, 2], [0, 1, 2], [0, 1, 2]] = True
    for truth in (flat, deep):
        assert len(ScoredImage(np.zeros(truth.shape, np.float32), truth).regions) == 1


def test_lesions_outside_the_foreground_count_as_missed() -> None:
    heatmap = np.array([[0.0, -0.5, 1.0, 2.0]], np.float32)
    truth = np.array([[True, False, False, True]])
    image = ScoredImage.from_heatmap(heatmap, truth)
    assert image.counted_scores.tolist() == [-0.5, -0.5, 1.0, 2.0]
    assert pixel_auroc([image]) == pytest.approx(0.625)
    outside = ScoredImage.from_heatmap(heatmap, np.array([[False, False, False, True]]))
    assert outside.counted_scores.tolist() == [-0.5, 1.0, 2.0]


def test_many_different_scores_change_the_curves_by_little() -> None:
    generator = np.random.default_rng(0)
    images = []
    for _ in range(4):
        truth = np.zeros((80, 80), bool)
        truth[20:26, 30:41] = True
        scores = generator.normal(0, 1, truth.shape) + 1.5 * truth
        images.append(ScoredImage(scores.astype(np.float32), truth))
    figures = measure_pixels(images, threshold=2.0, rounds=200)
    assert figures.auroc.value == pixel_auroc(images)
    assert figures.dice is not None and figures.dice.value == dice(images, 2.0)
    assert figures.aupro.value == pytest.approx(written_out_aupro_fast(images), abs=1e-3)
    for name in ("auroc", "average_precision", "aupro", "best_dice", "dice"):
        estimate = getattr(figures, name)
        assert estimate.interval[0] - 1e-3 <= estimate.value <= estimate.interval[1] + 1e-3
        assert estimate.interval[1] - estimate.interval[0] < 0.1
    assert (figures.images, figures.lesions) == (4, 4)
    assert figures.prevalence == pytest.approx(66 / 6400)


def written_out_aupro_fast(images: Sequence[ScoredImage]) -> float:
    """Exact for one region an image and many scores: each normal pixel is a step of the curve."""
    normal = np.sort(np.concatenate([i.scores[~i.truth] for i in images]))[::-1]
    negatives = normal[: round(0.3 * len(normal))]
    return float(
        np.mean(
            [[(region >= level).mean() for region in regions(images)] for level in negatives[::10]]
        )
    )


@pytest.mark.parametrize("measure", [pixel_auroc, pixel_average_precision, aupro, measure_pixels])
@pytest.mark.parametrize("lesion", [False, True])
def test_one_kind_of_pixel_cannot_be_measured(measure: object, lesion: bool) -> None:
    image = ScoredImage(np.zeros((4, 4), np.float32), np.full((4, 4), lesion))
    with pytest.raises(InputError, match=r"all 16 pixels are (lesion|normal)"):
        measure([image])


def test_no_image_is_refused() -> None:
    with pytest.raises(InputError, match="no image was given"):
        pixel_auroc([])


@pytest.mark.parametrize(
    ("scores", "truth", "considered", "words"),
    [
        (np.zeros(4), np.zeros(4, bool), None, r"shape \(4,\) is no image"),
        (np.zeros((2, 2)), np.zeros((2, 3), bool), None, r"lesion mask has shape \(2, 3\)"),
        (np.zeros((2, 2)), np.ones((2, 2), bool), np.zeros((2, 2), bool), "would be forgotten"),
        (np.full((2, 2), np.nan), np.zeros((2, 2), bool), None, "not finite"),
    ],
)
def test_maps_that_do_not_fit_are_named(
    scores: NDArray[np.float32],
    truth: NDArray[np.bool_],
    considered: NDArray[np.bool_] | None,
    words: str,
) -> None:
    with pytest.raises(InputError, match=words):
        ScoredImage(scores, truth, considered)


@pytest.mark.parametrize("limit", [0.0, 1.5])
def test_a_limit_that_bounds_no_area_is_refused(limit: float) -> None:
    with pytest.raises(ConfigurationError, match="bounds no area"):
        aupro([ScoredImage(*two_lesions())], limit)
