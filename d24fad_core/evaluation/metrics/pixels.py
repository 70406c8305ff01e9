"""How well lesions are marked: pixel by pixel in 2-D, voxel by voxel in 3-D.

All measures pool the pixels of all images. Intervals resample whole images (patients), since the
pixels of one are not independent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.evaluation.metrics.bootstrap import ROUNDS, Estimate, draw_cases, estimate
from d24fad_core.evaluation.metrics.scored_image import ScoredImage

FALSE_POSITIVE_LIMIT = 0.3
_LEVELS = 4000
"""Thresholds at most; where there are fewer different scores, curves are exact."""


@dataclass(frozen=True)
class PixelMeasures:
    """How well lesions are marked in a set of images.

    Attributes:
        auroc: over the pixels of all images together.
        average_precision: over the same; chance is the prevalence.
        aupro: per-region overlap, see `aupro`.
        best_dice: see `best_dice`; its threshold is chosen with the truth, so it is an upper bound.
        best_dice_threshold: that threshold.
        dice: Dice at the threshold that was given; None where none was.
        prevalence: share of lesion pixels.
        images: number of images.
        lesions: number of lesions in all of them.
    """

    auroc: Estimate
    average_precision: Estimate
    aupro: Estimate
    best_dice: Estimate
    best_dice_threshold: float
    dice: Estimate | None
    prevalence: float
    images: int
    lesions: int


def pixel_auroc(images: Sequence[ScoredImage]) -> float:
    """AUROC over the pixels of all images together.

    Raises:
        InputError: there is no lesion, or nothing but lesions.
    """
    truth, scores = _pooled(images)
    return float(roc_auc_score(truth, scores))


def pixel_average_precision(images: Sequence[ScoredImage]) -> float:
    """Average precision over the pixels of all images together; chance is the prevalence.

    Raises:
        InputError: there is no lesion, or nothing but lesions.
    """
    truth, scores = _pooled(images)
    return float(average_precision_score(truth, scores))


def aupro(images: Sequence[ScoredImage], limit: float = FALSE_POSITIVE_LIMIT) -> float:
    """Area under the per-region-overlap curve up to a false-positive rate, divided by that rate.

    At each threshold every lesion's share of marked pixels is averaged over the lesions, so that a
    small one counts as much as a large one, against the share of normal pixels (of all images)
    that are marked. 1 is perfect; at random it is about `limit` / 2 (Bergmann et al., MVTec AD,
    IJCV 2021). Works alike in 2-D and 3-D.

    Raises:
        InputError: there is no lesion, or nothing but lesions.
        ConfigurationError: the limit is outside 0 (excluded) to 1.
    """
    return float(_Curves.of(images).aupro(_once(images), limit)[0])


def best_dice(images: Sequence[ScoredImage]) -> tuple[float, float]:
    """Highest Dice that one threshold reaches on all images together, and that threshold.

    Raises:
        InputError: there is no lesion, or nothing but lesions.
    """
    curves = _Curves.of(images)
    reached = curves.dice(_once(images))[0]
    best = int(reached.argmax())
    return float(reached[best]), float(curves.levels[best])


def dice(images: Sequence[ScoredImage], threshold: float) -> float:
    """Dice of the pixels that reach a threshold, all images together.

    Raises:
        InputError: there is no lesion, or nothing but lesions.
    """
    truth, scores = _pooled(images)
    marked = scores >= threshold
    return float(2 * (marked & truth).sum() / (marked.sum() + truth.sum()))


def measure_pixels(
    images: Sequence[ScoredImage],
    *,
    threshold: float | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> PixelMeasures:
    """All measures, with intervals over images, resampled among those with and without lesions.

    Args:
        images: all images of the test, one a patient.
        threshold: of `dice`; None leaves it out.
        rounds: number of resamples.
        seed: of the resampling.

    Raises:
        InputError: there is no lesion, or nothing but lesions.
    """
    truth, scores = _pooled(images)
    curves = _Curves.of(images, extra=threshold)
    count = len(images)
    # One image has no interval, however often it is drawn.
    rounds = rounds if count > 1 else 1
    drawn = draw_cases([image.truth.any() for image in images], rounds=rounds, seed=seed)
    best, level = best_dice(images)
    every_dice = curves.dice(drawn)
    at = None
    if threshold is not None:
        here = int(np.searchsorted(-curves.levels, -threshold))
        at = estimate(dice(images, threshold), every_dice[:, here], count)
    return PixelMeasures(
        auroc=_exact(float(roc_auc_score(truth, scores)), curves.auroc, drawn),
        average_precision=_exact(
            float(average_precision_score(truth, scores)), curves.average_precision, drawn
        ),
        aupro=estimate(
            float(curves.aupro(_once(images), FALSE_POSITIVE_LIMIT)[0]),
            curves.aupro(drawn, FALSE_POSITIVE_LIMIT),
            count,
        ),
        best_dice=estimate(best, every_dice.max(axis=1), count),
        best_dice_threshold=level,
        dice=at,
        prevalence=float(truth.mean()),
        images=count,
        lesions=sum(len(image.regions) for image in images),
    )


def _exact(
    value: float,
    along_curve: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    drawn: NDArray[np.float64],
) -> Estimate:
    """An exact value with the interval of its curve, freed of what its thresholds leave out."""
    images = drawn.shape[1]
    left_out = value - along_curve(np.ones((1, images)))[0]
    return estimate(value, np.clip(along_curve(drawn) + left_out, 0.0, 1.0), images)


@dataclass(frozen=True, eq=False)
class _Curves:
    """What each image has above each threshold; sums over drawn images give every measure.

    Attributes:
        levels: falling thresholds, (T,).
        true: lesion pixels that reach each, (N, T).
        false: normal pixels that reach each, (N, T).
        overlap: sum over an image's lesions of the share that reaches each, (N, T).
        lesions: number of lesions, (N,).
    """

    levels: NDArray[np.float64]
    true: NDArray[np.float64]
    false: NDArray[np.float64]
    overlap: NDArray[np.float64]
    lesions: NDArray[np.float64]

    @classmethod
    def of(cls, images: Sequence[ScoredImage], extra: float | None = None) -> "_Curves":
        truth, scores = _pooled(images)
        levels = _levels(scores[truth], scores[~truth], extra)
        rows: list[tuple[NDArray[np.float64], ...]] = []
        for image in images:
            inside, values = image.counted_truth, image.counted_scores
            overlap = np.zeros(len(levels))
            for region in image.regions:
                overlap += _reaching(region, levels) / len(region)
            rows.append((_reaching(values[inside], levels), _reaching(values[~inside], levels)))
            rows[-1] = (*rows[-1], overlap)
        true, false, overlaps = (np.stack(part) for part in zip(*rows, strict=True))
        lesions = np.array([len(image.regions) for image in images], dtype=np.float64)
        return cls(levels, true, false, overlaps, lesions)

    def auroc(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        true, false = self._counts(drawn)
        return _area(false / false[:, -1:], true / true[:, -1:], 1.0)

    def average_precision(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        true, false = self._counts(drawn)
        precision = true / np.maximum(true + false, 1.0)
        step = np.diff(true, axis=1, prepend=0.0)
        return np.asarray((step * precision).sum(axis=1) / true[:, -1])

    def aupro(self, drawn: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
        if not 0.0 < limit <= 1.0:
            raise ConfigurationError(
                f"a false-positive rate of {limit} bounds no area",
                "give more than 0, up to 1.",
            )
        false = drawn @ self.false
        overlap = (drawn @ self.overlap) / (drawn @ self.lesions)[:, None]
        return _area(false / false[:, -1:], overlap, limit) / limit

    def dice(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        true, false = self._counts(drawn)
        return np.asarray(2 * true / (true + false + true[:, -1:]))

    def _counts(
        self, drawn: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return drawn @ self.true, drawn @ self.false


def _area(
    false_rates: NDArray[np.float64], heights: NDArray[np.float64], limit: float
) -> NDArray[np.float64]:
    """Area under rising curves, (R, T) each, from 0 to a limit, straight between the points."""
    start = np.zeros((len(false_rates), 1))
    along = np.concatenate([start, false_rates], axis=1)
    height = np.concatenate([start, heights], axis=1)
    step, rise = np.diff(along, axis=1), np.diff(height, axis=1)
    width = np.clip(limit - along[:, :-1], 0.0, step)
    share = np.divide(width, step, out=np.zeros_like(width), where=step > 0)
    return np.asarray((width * (height[:, :-1] + share * rise / 2)).sum(axis=1))


def _levels(
    abnormal: NDArray[np.float64], normal: NDArray[np.float64], extra: float | None
) -> NDArray[np.float64]:
    """Falling thresholds: every different score, or quantiles of both kinds and of their tails."""
    every: NDArray[np.float64] = np.unique(np.concatenate([abnormal, normal]))
    if len(every) > _LEVELS:
        even = np.linspace(0.0, 1.0, _LEVELS // 4)
        # Few normal pixels score high, and what they do decides precision.
        tail = 1.0 - np.logspace(-7, 0, _LEVELS // 4)
        shares = np.concatenate([even, tail])
        parts = [np.quantile(part, shares, method="nearest") for part in (abnormal, normal)]
        every = np.unique(np.concatenate([every[[0, -1]], *parts]))
    if extra is not None:
        every = np.unique(np.append(every, extra))
    return every[::-1]


def _reaching(
    values: NDArray[np.floating[Any]], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many values are at least as high as each level."""
    ordered = np.sort(values)
    return np.asarray(len(ordered) - np.searchsorted(ordered, levels, side="left"), np.float64)


def _once(images: Sequence[ScoredImage]) -> NDArray[np.float64]:
    return np.ones((1, len(images)))


def _pooled(images: Sequence[ScoredImage]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    if not images:
        raise InputError("no image was given, so nothing can be measured", "give at least one.")
    truth = np.concatenate([image.counted_truth for image in images])
    if truth.all() or not truth.any():
        what = "lesion" if truth.any() else "normal"
        raise InputError(
            f"all {truth.size} pixels are {what}, so nothing can be measured",
            "give images with both, with their lesion masks.",
        )
    return truth, np.concatenate([image.counted_scores for image in images]).astype(np.float64)
