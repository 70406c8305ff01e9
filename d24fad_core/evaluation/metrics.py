"""Measures of ranking, with their uncertainty."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, roc_auc_score

from d24fad_core.errors import InputError


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the receiver operating characteristic.

    Raises:
        InputError: only one class is present.
    """
    _check_both(labels)
    return float(roc_auc_score(labels, scores))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve (average precision); chance is the prevalence.

    Raises:
        InputError: only one class is present.
    """
    _check_both(labels)
    return float(average_precision_score(labels, scores))


def bootstrap_interval(
    labels: Sequence[int], scores: Sequence[float], *, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the AUROC by resampling cases within each class."""
    truth, values = np.asarray(labels), np.asarray(scores)
    normal, abnormal = values[truth == 0], values[truth == 1]
    # AUROC is the share of pairs in which the abnormal case scores higher; a resampled one weighs
    # the pairs by how often their cases were drawn.
    wins = (abnormal > normal[:, None]) + 0.5 * (abnormal == normal[:, None])
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(rounds):
        drawn = [
            np.bincount(generator.choice(count, count), minlength=count) for count in wins.shape
        ]
        found.append(drawn[0] @ wins @ drawn[1] / wins.size)
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


def _check_both(labels: ArrayLike) -> None:
    values = np.unique(np.asarray(labels))
    if len(values) < 2:
        raise InputError(
            "all cases are of one class, so no AUROC can be measured; give normal and abnormal "
            "ones."
        )
