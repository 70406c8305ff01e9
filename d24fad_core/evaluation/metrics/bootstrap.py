"""Uncertainty by resampling: cases are drawn again with replacement, within each kind."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 1000


@dataclass(frozen=True)
class Estimate:
    """A measured value and how sure it is.

    Attributes:
        value: on all cases.
        interval: 95 % bootstrap interval over patients or images (percentiles); None where there
            is only one, which says nothing of others.
    """

    value: float
    interval: tuple[float, float] | None


def draw_cases(kinds: ArrayLike, *, rounds: int = ROUNDS, seed: int = 0) -> NDArray[np.float64]:
    """How often each case is drawn in each round.

    Cases are drawn within each kind (normal or abnormal), so that no round lacks one and their
    proportion stays that of the test.

    Args:
        kinds: kind of each case, (N,).
        rounds: number of resamples (R).
        seed: of the draws.

    Returns:
        Counts, (R, N).
    """
    values = np.asarray(kinds)
    groups = [np.flatnonzero(values == kind) for kind in np.unique(values)]
    generator = np.random.default_rng(seed)
    counts = np.zeros((rounds, len(values)))
    for row in counts:
        for group in groups:
            drawn = generator.choice(len(group), len(group))
            row[group] = np.bincount(drawn, minlength=len(group))
    return counts


def interval_95(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of resampled values."""
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def estimate(value: float, resampled: NDArray[np.float64], cases: int) -> Estimate:
    """A value with the interval of its resamples.

    Args:
        value: on all cases.
        resampled: one value a round.
        cases: number of cases that were drawn from.
    """
    return Estimate(value, interval_95(resampled) if cases > 1 else None)
