"""Pictures of a benchmark, as PNG."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from benchmarks.image_tasks.official import OFFICIAL
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.errors import InputError
from d24fad_core.evaluation.image_scores import CORRECTED, ImageScores
from d24fad_core.evaluation.image_summary import MEAN_OF_TASKS, SummaryRow
from d24fad_core.export.pictures.png_file import write_png

_COLOURS = colormaps["tab10"]
_NORMAL, _ABNORMAL = "#4477aa", "#cc6677"
_PANEL = 3.1
_DPI = 120


def plot_roc(scores: Sequence[ImageScores], methods: Sequence[str], shots: int, path: Path) -> None:
    """ROC of each task, corrected protocol: the mean curve over runs, and the range of runs.

    Args:
        scores: of all runs.
        methods: those to draw, in this order.
        shots: number of support images.
        path: PNG to write.

    Raises:
        InputError: no run is of these methods and shots.
    """
    selection = _select(scores, methods, shots)
    figure, panels = _grid(sorted({one.task for one in selection}), f"ROC, {shots} shots")
    along = np.linspace(0.0, 1.0, 201)
    for task, axes in panels.items():
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, linestyle=":")
        for number, method in enumerate(methods):
            runs = [one for one in selection if (one.task, one.method) == (task, method)]
            if not runs:
                continue
            curves = np.stack([_sensitivity_at(one, along) for one in runs])
            colour = _COLOURS(number % 10)
            axes.plot(along, curves.mean(axis=0), color=colour, linewidth=1.5, label=method)
            if len(curves) > 1:
                axes.fill_between(
                    along, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15, lw=0
                )
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="1 - specificity", ylabel="sensitivity")
        axes.set_aspect("equal")
    _legend(figure, panels.values(), "Line: mean over runs. Band: lowest to highest run.")
    write_png(figure, path, _DPI)


def plot_histograms(scores: Sequence[ImageScores], method: str, shots: int, path: Path) -> None:
    """Scores of normal and abnormal test images of each task, all runs together.

    Args:
        scores: of all runs.
        method: whose scores.
        shots: number of support images.
        path: PNG to write.

    Raises:
        InputError: no run is of this method and shots.
    """
    selection = _select(scores, [method], shots)
    tasks = sorted({one.task for one in selection})
    figure, panels = _grid(tasks, f"Scores of {method}, {shots} shots")
    for task, axes in panels.items():
        runs = [one for one in selection if one.task == task]
        values = np.concatenate([one.scores for one in runs])
        labels = np.concatenate([one.labels for one in runs])
        # A few extreme images would squeeze all others into one bar; they stand in the last ones.
        low, high = np.percentile(values, (0.2, 99.8))
        bins = np.linspace(low, max(high, low + 1e-6), 41)
        for label, name, colour in ((0, "normal", _NORMAL), (1, "abnormal", _ABNORMAL)):
            kind = np.clip(values[labels == label], bins[0], bins[-1])
            share = np.full(len(kind), 1.0 / max(len(kind), 1))
            axes.hist(kind, bins=bins.tolist(), weights=share, color=colour, alpha=0.6, label=name)
        axes.set(xlabel="score", ylabel="share of images")
    _legend(
        figure, panels.values(), "All runs together; values beyond the ends stand in the last bars."
    )
    write_png(figure, path, _DPI)


def plot_bars(rows: Sequence[SummaryRow], methods: Sequence[str], path: Path) -> None:
    """Image AUROC of each task and its mean, with 95 % intervals, a row of bars for each shots.

    Args:
        rows: from `image_summary.summarise`.
        methods: those to draw, in this order.
        path: PNG to write.

    Raises:
        InputError: no row is of these methods.
    """
    values = {
        (row.shots, row.task, row.method): row
        for row in rows
        if row.protocol == CORRECTED and row.method in methods
    }
    if not values:
        raise InputError(f"no figures of {', '.join(methods)} to draw", "run these methods.")
    every_shots = sorted({shots for shots, _, _ in values})
    names = {task for _, task, _ in values}
    tasks = [*sorted(names - {MEAN_OF_TASKS}), *sorted(names & {MEAN_OF_TASKS})]
    figure = Figure(
        figsize=(max(6.0, 1.7 * len(tasks)), 2.6 * len(every_shots) + 1.3), layout="constrained"
    )
    figure.suptitle("Image AUROC, corrected protocol")
    panels = np.atleast_1d(figure.subplots(len(every_shots), 1, sharex=True, sharey=True))
    width = 0.8 / len(methods)
    lowest = 0.5
    for axes, shots in zip(panels, every_shots, strict=True):
        for number, method in enumerate(methods):
            bars = [
                (place, values[shots, task, method].auroc)
                for place, task in enumerate(tasks)
                if (shots, task, method) in values
            ]
            if not bars:
                continue
            x = np.array([place for place, _ in bars]) + (number - (len(methods) - 1) / 2) * width
            means = np.array([value.mean for _, value in bars])
            errors = np.array(
                [
                    (max(v.mean - v.interval[0], 0.0), max(v.interval[1] - v.mean, 0.0))
                    for _, v in bars
                ]
            ).T
            lowest = min(lowest, float((means - errors[0]).min()))
            axes.bar(x, means, width * 0.92, color=_COLOURS(number % 10), label=method)
            axes.errorbar(x, means, errors, fmt="none", ecolor="0.25", elinewidth=0.8)
        axes.axhline(0.5, color="0.4", linewidth=0.8, linestyle=":")
        axes.set_ylabel(f"{shots} shots")
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
    panels[-1].set_xticks(range(len(tasks)), tasks, rotation=15, ha="right")
    panels[0].set_ylim(max(0.0, lowest - 0.03), 1.0)
    _legend(
        figure,
        panels,
        "Bars start below 0.5 (dotted: chance). Whiskers: 95 % interval over test images.",
    )
    write_png(figure, path, _DPI)


def plot_protocol_gap(rows: Sequence[SummaryRow], path: Path) -> None:
    """Corrected and official image AUROC of the same maps, task by task.

    Args:
        rows: from `image_summary.summarise`.
        path: PNG to write.

    Raises:
        InputError: no method has both.
    """
    by_key = {(row.method, row.shots, row.task, row.protocol): row.auroc.mean for row in rows}
    both = sorted(
        {key[:2] for key in by_key if key[3] == OFFICIAL and (*key[:3], CORRECTED) in by_key}
    )
    if not both:
        raise InputError("no method was scored by both protocols", "run --protocol both.")
    methods = sorted({method for method, _ in both})
    figure = Figure(figsize=(max(5.0, 3.9 * len(methods)), 4.6), layout="constrained")
    figure.suptitle("The same maps under both protocols")
    panels = np.atleast_1d(figure.subplots(1, len(methods), sharey=True, sharex=True))
    names = {task for _, _, task, protocol in by_key if protocol == OFFICIAL}
    tasks = [*sorted(names & {MEAN_OF_TASKS}), *sorted(names - {MEAN_OF_TASKS}, reverse=True)]
    every_shots = sorted({shots for _, shots in both})
    for axes, method in zip(panels, methods, strict=True):
        for number, shots in enumerate(every_shots):
            offset = (number - (len(every_shots) - 1) / 2) * -0.22
            for place, task in enumerate(tasks):
                honest = by_key.get((method, shots, task, CORRECTED))
                published = by_key.get((method, shots, task, OFFICIAL))
                if honest is None or published is None:
                    continue
                y = place + offset
                colour = _COLOURS(number % 10)
                axes.plot([honest, published], [y, y], color=colour, linewidth=1.4, zorder=1)
                axes.scatter([honest], [y], color=colour, s=26, zorder=2)
                axes.scatter([published], [y], facecolor="white", edgecolor=colour, s=26, zorder=2)
        for number, shots in enumerate(every_shots):
            axes.plot([], [], color=_COLOURS(number % 10), label=f"{shots} shots")
        axes.axvline(0.5, color="0.4", linewidth=0.8, linestyle=":")
        axes.set_title(method, fontsize=10)
        axes.set_xlabel("image AUROC")
        axes.grid(axis="x", color="0.9")
    panels[0].set_yticks(range(len(tasks)), tasks)
    _legend(
        figure,
        panels,
        "Filled: corrected. Open: official, as published. Between them: what the faults add.",
    )
    write_png(figure, path, _DPI)


def _select(scores: Sequence[ImageScores], methods: Sequence[str], shots: int) -> list[ImageScores]:
    selection = [
        one
        for one in scores
        if one.method in methods and one.shots == shots and one.protocol == CORRECTED
    ]
    if not selection:
        raise InputError(
            f"no corrected scores of {', '.join(methods)} at {shots} shots to draw",
            "run these methods.",
        )
    return selection


def _sensitivity_at(run: ImageScores, along: NDArray[np.float64]) -> NDArray[np.float64]:
    false, true, _ = roc_curve(run.labels, run.scores)
    return np.interp(along, false, true)


def _grid(tasks: Sequence[str], title: str) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel a task, three in a row."""
    columns = min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    size = (max(5.0, _PANEL * columns), _PANEL * rows + 1.2)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title)
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axes in panels[len(tasks) :]:
        axes.set_axis_off()
    panel_of = dict(zip(tasks, panels, strict=False))
    for task, axes in panel_of.items():
        axes.set_title(task, fontsize=10)
        axes.tick_params(labelsize=8)
    return figure, panel_of


def _legend(figure: Figure, panels: Iterable[Axes], note: str) -> None:
    entries: dict[str, Artist] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=min(3, len(entries)),
        fontsize=8,
        frameon=False,
        title=f"{note}\n{RESEARCH_USE_ONLY}",
        title_fontsize=8,
    )
