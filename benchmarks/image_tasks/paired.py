"""Differences of two methods on the same supports and test images, surer than either by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.evaluation.image_scores import CORRECTED
from d24fad_core.evaluation.image_summary import MEAN_OF_TASKS, MeasuredRuns, deviation
from d24fad_core.evaluation.metrics.bootstrap import interval_95


@dataclass(frozen=True)
class DifferenceRow:
    """By how much one method's image AUROC is above another's.

    Attributes:
        task: the task, or `MEAN_OF_TASKS`.
        shots: number of support images.
        method: the one.
        other: the other.
        difference: mean over the draws that both have.
        deviation: standard deviation over these draws; None where there is only one.
        interval: 95 % bootstrap interval over test images, the same for both methods.
        draws: number of draws.
    """

    task: str
    shots: int
    method: str
    other: str
    difference: float
    deviation: float | None
    interval: tuple[float, float]
    draws: int


def differences(
    measured: Sequence[MeasuredRuns], method: str, other: str, protocol: str = CORRECTED
) -> list[DifferenceRow]:
    """Compare two methods on the same draws and images, task by task and over all tasks.

    Trainings of one draw are averaged first. Tasks and shots that only one of both has are left
    out.

    Args:
        measured: from `measure_runs`.
        method: the one.
        other: the other.
        protocol: of both.

    Raises:
        InputError: they share a task but saw different images of it, or no draw is common.
    """
    by_key = {
        (one.row.task, one.row.method, one.row.shots): one
        for one in measured
        if one.row.protocol == protocol
    }
    rows: list[DifferenceRow] = []
    paired: dict[int, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {}
    for (task, name, shots), one in by_key.items():
        against = by_key.get((task, other, shots))
        if name != method or against is None:
            continue
        values, resampled = _pair(one, against)
        paired.setdefault(shots, []).append((values, resampled))
        rows.append(_difference_row(task, shots, method, other, values, resampled))
    for shots, parts in paired.items():
        if len(parts) < 2 or len(parts) < len({task for task, _, _ in by_key}):
            continue
        draws = min(len(values) for values, _ in parts)
        values = np.mean([values[:draws] for values, _ in parts], axis=0)
        resampled = np.mean([resampled for _, resampled in parts], axis=0)
        rows.append(_difference_row(MEAN_OF_TASKS, shots, method, other, values, resampled))
    return rows


def _pair(
    one: MeasuredRuns, other: MeasuredRuns
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Difference in each common draw, and its mean in each resample."""
    row = one.row
    if one.names != other.names:
        raise InputError(
            f"{row.task}, {row.shots} shots: {row.method} and {other.row.method} were scored on "
            "different images",
            "score both again on the same data.",
        )
    draws = sorted(set(one.auroc_by_draw) & set(other.auroc_by_draw))
    if not draws:
        raise InputError(
            f"{row.task}, {row.shots} shots: {row.method} and {other.row.method} have no draw of "
            "supports in common",
            "run both with the same --draws.",
        )
    resampled = np.mean([one.auroc_by_draw[d] - other.auroc_by_draw[d] for d in draws], axis=0)
    values = np.array([_at_draw(one, draw) - _at_draw(other, draw) for draw in draws])
    return values, resampled


def _at_draw(one: MeasuredRuns, draw: int) -> float:
    return float(
        np.mean(
            [
                value
                for (_, number), value in zip(one.runs, one.values["auroc"], strict=True)
                if number == draw
            ]
        )
    )


def _difference_row(
    task: str,
    shots: int,
    method: str,
    other: str,
    values: NDArray[np.float64],
    resampled: NDArray[np.float64],
) -> DifferenceRow:
    return DifferenceRow(
        task=task,
        shots=shots,
        method=method,
        other=other,
        difference=float(values.mean()),
        deviation=deviation(values),
        interval=interval_95(resampled),
        draws=len(values),
    )
