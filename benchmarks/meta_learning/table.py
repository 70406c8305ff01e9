"""The table of `benchmarks.meta_learning`."""

from collections.abc import Sequence

import numpy as np

from benchmarks.image_tasks.paired import DifferenceRow, differences
from benchmarks.meta_learning.cells import PASTED, Variant
from benchmarks.meta_learning.data import SHOTS
from benchmarks.meta_learning.fusion import FixedWeights
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.evaluation.image_summary import MEAN_OF_TASKS, MeasuredRuns, measure_runs

_REFERENCES = ("default without student", "nearest neighbour")


def table(scores: Sequence[ImageScores], rows: Sequence[Variant]) -> str:
    """As Markdown: image AUROC by task, and differences from the methods that learn nothing.

    Args:
        scores: of every variant so far, on all tasks.
        rows: the variants, in the table's order.
    """
    measured = measure_runs(scores)
    tasks = sorted({one.row.task for one in measured})
    reached = {(one.row.method, one.row.task): one.row.auroc.mean for one in measured}
    lines = [
        f"{RESEARCH_USE_ONLY} Image AUROC, {SHOTS} shots, mean over draws of support images. "
        "Differences are paired, with 95 % bootstrap intervals over test images.",
        "",
        f"| variant | {' | '.join(tasks)} | mean | less {' | less '.join(_REFERENCES)} |",
        "|" + "---|" * (len(tasks) + 2 + len(_REFERENCES)),
    ]
    for row in rows:
        values = [reached[row.name, task] for task in tasks if (row.name, task) in reached]
        if len(values) == len(tasks):
            cells = [f"{value:.3f}" for value in (*values, float(np.mean(values)))]
            cells += [_difference(measured, row.name, other) for other in _REFERENCES]
            lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_choice_lines(reached, rows, tasks)]) + "\n"


def _difference(measured: Sequence[MeasuredRuns], method: str, other: str) -> str:
    if method == other:
        return ""
    paired: list[DifferenceRow] = differences(measured, method, other)
    mean = next((row for row in paired if row.task == MEAN_OF_TASKS), None)
    if mean is None:
        return ""
    low, high = mean.interval
    return f"{mean.difference:+.3f} ({low:+.3f} to {high:+.3f})"


def _choice_lines(
    reached: dict[tuple[str, str], float], rows: Sequence[Variant], tasks: Sequence[str]
) -> list[str]:
    """What learning reaches where the variant of each task is chosen on the other tasks."""
    candidates = [
        row.name
        for row in rows
        if row.source == PASTED
        and not isinstance(row.learnt, FixedWeights)
        and all((row.name, task) in reached for task in tasks)
    ]
    if not candidates:
        return []
    lines, values = [], []
    for task in tasks:
        others = [other for other in tasks if other != task]
        best = max(
            candidates,
            key=lambda name: float(np.mean([reached[name, other] for other in others])),
        )
        values.append(reached[best, task])
        lines.append(f"- {task}: {best}, {values[-1]:.3f}")
    return [
        "Learnt variant with the best mean over the four other tasks, measured on the fifth: "
        f"mean {float(np.mean(values)):.3f}.",
        "",
        *lines,
    ]
