"""How well cases (images or patients) are ranked: abnormal ones above normal ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.evaluation.metrics.bootstrap import (
    ROUNDS,
    Estimate,
    draw_cases,
    estimate,
    interval_95,
)

SPECIFICITY = 0.95
_ROUNDING = 1e-9


@dataclass(frozen=True)
class RankingMeasures:
    """How well a set of cases is ranked.

    Attributes:
        auroc: area under the receiver operating characteristic.
        average_precision: area under the precision-recall curve (AUPRC).
        sensitivity: at 95 % specificity.
    """

    auroc: Estimate
    average_precision: Estimate
    sensitivity: Estimate


@dataclass(frozen=True, eq=False)
class ResampledRanking:
    """The same measures of R resamples of the cases, each (R,)."""

    auroc: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    sensitivity: NDArray[np.float64]


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the receiver operating characteristic.

    Raises:
        InputError: only one class is present, or a score is not a number.
    """
    truth, values = _checked(labels, scores)
    return float(roc_auc_score(truth, values))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve (average precision); chance is the prevalence.

    Raises:
        InputError: only one class is present, or a score is not a number.
    """
    truth, values = _checked(labels, scores)
    return float(average_precision_score(truth, values))


def sensitivity_at_specificity(
    labels: ArrayLike, scores: ArrayLike, specificity: float = SPECIFICITY
) -> float:
    """Highest sensitivity of a threshold that calls at least this share of the normals normal.

    No interpolation between thresholds: what is given can be reached. The threshold is chosen on
    the measured normals themselves, so a threshold fixed beforehand will do no better on average.

    Raises:
        InputError: only one class is present, or a score is not a number.
        ConfigurationError: the specificity is outside 0 to 1.
    """
    _check_share("a specificity", specificity)
    truth, values = _checked(labels, scores)
    false, true, _ = roc_curve(truth, values, drop_intermediate=False)
    return float(true[false <= 1.0 - specificity + _ROUNDING].max())


def measure_ranking(
    labels: Sequence[int], scores: Sequence[float], *, rounds: int = ROUNDS, seed: int = 0
) -> RankingMeasures:
    """All measures, with intervals over the cases resampled within each class.

    Raises:
        InputError: only one class is present, or a score is not a number.
    """
    truth, values = _checked(labels, scores)
    resampled = resample_ranking(truth, values, draw_cases(truth, rounds=rounds, seed=seed))
    cases = len(truth)
    return RankingMeasures(
        auroc=estimate(auroc(truth, values), resampled.auroc, cases),
        average_precision=estimate(
            average_precision(truth, values), resampled.average_precision, cases
        ),
        sensitivity=estimate(
            sensitivity_at_specificity(truth, values), resampled.sensitivity, cases
        ),
    )


def resample_ranking(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: NDArray[np.float64],
    specificity: float = SPECIFICITY,
) -> ResampledRanking:
    """The measures with every case counted as often as it was drawn, for all rounds at once.

    Args:
        labels: 0 normal, 1 abnormal, (N,).
        scores: (N,).
        weights: how often each case was drawn, (R, N), from `bootstrap.draw_cases`.
        specificity: at which the sensitivity is measured.

    Raises:
        InputError: only one class is present, or a score is not a number.
    """
    truth, values = _checked(labels, scores)
    order = np.argsort(-values, kind="stable")
    # Cases of one score are called together.
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)
    drawn, abnormal = weights[:, order], truth[order]
    true = np.cumsum(drawn * abnormal, axis=1)[:, ends]
    false = np.cumsum(drawn * (1 - abnormal), axis=1)[:, ends]
    positives, negatives = true[:, -1], false[:, -1]
    step = np.diff(true, axis=1, prepend=0.0)
    before = np.concatenate([np.zeros((len(false), 1)), false[:, :-1]], axis=1)
    # An abnormal case wins against the normals below it and half against its equals.
    wins = (step * (negatives[:, None] - (before + false) / 2)).sum(axis=1)
    precision = true / np.maximum(true + false, 1.0)
    allowed = false <= (1.0 - specificity + _ROUNDING) * negatives[:, None]
    return ResampledRanking(
        auroc=wins / (positives * negatives),
        average_precision=(step * precision).sum(axis=1) / positives,
        sensitivity=np.where(allowed, true, 0.0).max(axis=1) / positives,
    )


def bootstrap_interval(
    labels: Sequence[int], scores: Sequence[float], *, rounds: int = ROUNDS, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the AUROC by resampling cases within each class."""
    truth, values = _checked(labels, scores)
    weights = draw_cases(truth, rounds=rounds, seed=seed)
    return interval_95(resample_ranking(truth, values, weights).auroc)


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    truth, values = np.asarray(labels).astype(np.int64), np.asarray(scores, dtype=np.float64)
    if truth.shape != values.shape or truth.ndim != 1:
        raise InputError(
            f"labels of shape {truth.shape} and scores of shape {values.shape} do not belong "
            "together",
            "give one score a label.",
        )
    if len(np.unique(truth)) < 2:
        raise InputError(
            "all cases are of one class, so no AUROC can be measured",
            "give normal and abnormal ones.",
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"{np.count_nonzero(~np.isfinite(values))} of {len(values)} scores are not finite "
            "numbers",
            "score these cases again or leave them out.",
        )
    return truth, values


def _check_share(what: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ConfigurationError(f"{what} of {value} makes no sense", "give 0 to 1.")
