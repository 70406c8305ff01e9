"""From scores of single runs to what a table says: means, spread and intervals.

A run is one draw of supports with one training (or none). Two uncertainties are kept apart: the
spread over runs (other supports, other seeds) and the interval over test images (other patients).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.evaluation.metrics.bootstrap import ROUNDS, draw_cases, interval_95
from d24fad_core.evaluation.metrics.ranking import (
    auroc,
    average_precision,
    resample_ranking,
    sensitivity_at_specificity,
)

MEAN_OF_TASKS = "mean of tasks"
MEASURES = ("auroc", "average_precision", "sensitivity")


@dataclass(frozen=True)
class MeasureSummary:
    """One measure of one method on one task.

    Attributes:
        mean: over runs.
        deviation: standard deviation over runs; None where there is only one.
        interval: 95 % bootstrap interval of the mean, over test images resampled in each class.
    """

    mean: float
    deviation: float | None
    interval: tuple[float, float]


@dataclass(frozen=True)
class SummaryRow:
    """What one method reached on one task.

    Attributes:
        task: the task, or `MEAN_OF_TASKS`.
        method: the method.
        protocol: how images were scored.
        shots: number of support images.
        trained: whether a student was trained for it.
        draws: number of draws of supports.
        seeds: number of trainings; 0 where nothing was trained.
        images: number of test images that have a score.
        auroc: image AUROC.
        average_precision: AUPRC.
        sensitivity: at 95 % specificity.
    """

    task: str
    method: str
    protocol: str
    shots: int
    trained: bool
    draws: int
    seeds: int
    images: int
    auroc: MeasureSummary
    average_precision: MeasureSummary
    sensitivity: MeasureSummary


@dataclass(frozen=True, eq=False)
class MeasuredRuns:
    """All runs of a method on a task, measured.

    Attributes:
        row: what it amounts to.
        runs: (seed, draw) of each run.
        values: measure to its value in each run, (runs,).
        resampled: measure to its mean over runs in each resample of the images, (R,).
        auroc_by_draw: draw to the AUROC's mean over seeds in each resample, (R,).
        names: test images that have a score.
    """

    row: SummaryRow
    runs: tuple[tuple[int | None, int], ...]
    values: dict[str, NDArray[np.float64]]
    resampled: dict[str, NDArray[np.float64]]
    auroc_by_draw: dict[int, NDArray[np.float64]]
    names: tuple[str, ...]


_Key = tuple[str, str, str, int]
"""Task, method, protocol, shots."""


def measure_runs(
    scores: Iterable[ImageScores], *, rounds: int = ROUNDS, seed: int = 0
) -> list[MeasuredRuns]:
    """Measure every run, and put together those of one task, method, protocol and shots.

    Images of a task are resampled alike for all methods.

    Args:
        scores: of any number of benchmarks' cells.
        rounds: number of resamples.
        seed: of the resampling.

    Raises:
        InputError: a run stands there twice, runs of one kind saw different images, or a task has
            images of one class only.
    """
    groups: dict[_Key, list[ImageScores]] = {}
    for one in scores:
        groups.setdefault((one.task, one.method, one.protocol, one.shots), []).append(one)
    return [_measure(runs, rounds, seed) for _, runs in sorted(groups.items())]


def summarise(measured: Sequence[MeasuredRuns]) -> list[SummaryRow]:
    """A row for each task, method, protocol and shots, then the means over tasks.

    A mean is given only where the method was measured on every task that is there.
    """
    rows = [one.row for one in measured]
    return rows + _means_of_tasks(measured)


def _measure(runs: Sequence[ImageScores], rounds: int, seed: int) -> MeasuredRuns:
    first = runs[0]
    keys = sorted(
        ((run.seed, run.draw) for run in runs),
        key=lambda key: (key[0] is not None, key[0] or 0, key[1]),
    )
    if len(set(keys)) < len(keys):
        raise InputError(
            f"{first.task}, {first.method}, {first.shots} shots: a seed and draw stands there "
            "twice",
            "give each run once.",
        )
    if any((run.names, run.labels) != (first.names, first.labels) for run in runs):
        raise InputError(
            f"{first.task}, {first.method}, {first.shots} shots: runs were scored on different "
            "images",
            "score them again on the same data.",
        )
    by_run = {(run.seed, run.draw): run for run in runs}
    weights = draw_cases(first.labels, rounds=rounds, seed=seed)
    measures = {
        "auroc": auroc,
        "average_precision": average_precision,
        "sensitivity": sensitivity_at_specificity,
    }
    values: dict[str, list[float]] = {name: [] for name in MEASURES}
    sums = {name: np.zeros(rounds) for name in MEASURES}
    by_draw: dict[int, list[NDArray[np.float64]]] = {}
    for key in keys:
        run = by_run[key]
        again = resample_ranking(run.labels, run.scores, weights)
        for name, measure in measures.items():
            values[name].append(measure(run.labels, run.scores))
            sums[name] += getattr(again, name) / len(keys)
        by_draw.setdefault(run.draw, []).append(again.auroc)
    arrays = {name: np.array(figures) for name, figures in values.items()}
    trainings = {key[0] for key in keys if key[0] is not None}
    return MeasuredRuns(
        row=SummaryRow(
            task=first.task,
            method=first.method,
            protocol=first.protocol,
            shots=first.shots,
            trained=bool(trainings),
            draws=len(by_draw),
            seeds=len(trainings),
            images=len(first.labels),
            **{name: _summary(arrays[name], sums[name]) for name in MEASURES},
        ),
        runs=tuple(keys),
        values=arrays,
        resampled=sums,
        auroc_by_draw={draw: np.mean(parts, axis=0) for draw, parts in by_draw.items()},
        names=first.names,
    )


def _means_of_tasks(measured: Sequence[MeasuredRuns]) -> list[SummaryRow]:
    tasks = {one.row.task for one in measured}
    groups: dict[tuple[str, str, int], list[MeasuredRuns]] = {}
    for one in measured:
        groups.setdefault((one.row.method, one.row.protocol, one.row.shots), []).append(one)
    rows = []
    for (method, protocol, shots), parts in groups.items():
        if len(parts) < 2 or {part.row.task for part in parts} != tasks:
            continue
        # Runs of one seed and draw make one set of tasks.
        common = sorted(
            set.intersection(*(set(part.runs) for part in parts)),
            key=lambda key: (key[0] or 0, key[1]),
        )
        summaries = {}
        for name in MEASURES:
            by_run = [
                dict(zip(part.runs, part.values[name].tolist(), strict=True)) for part in parts
            ]
            over_runs = np.array([np.mean([values[run] for values in by_run]) for run in common])
            mean = float(np.mean([getattr(part.row, name).mean for part in parts]))
            resampled = np.mean([part.resampled[name] for part in parts], axis=0)
            summaries[name] = MeasureSummary(mean, deviation(over_runs), interval_95(resampled))
        rows.append(
            SummaryRow(
                task=MEAN_OF_TASKS,
                method=method,
                protocol=protocol,
                shots=shots,
                trained=parts[0].row.trained,
                draws=min(part.row.draws for part in parts),
                seeds=min(part.row.seeds for part in parts),
                images=sum(part.row.images for part in parts),
                **summaries,
            )
        )
    return rows


def _summary(values: NDArray[np.float64], resampled: NDArray[np.float64]) -> MeasureSummary:
    return MeasureSummary(float(values.mean()), deviation(values), interval_95(resampled))


def deviation(values: NDArray[np.float64]) -> float | None:
    """Standard deviation over runs; None where there is only one."""
    return float(values.std(ddof=1)) if len(values) > 1 else None
