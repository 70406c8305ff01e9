"""What a method would have reached, had it been chosen without the task that it is measured on.

Whoever picks the best of many methods by a test measures a little of that test's luck. Here the
choice for each task is made on the other tasks alone, and only then looked at on this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from d24fad_core.evaluation.image_scores import CORRECTED
from d24fad_core.evaluation.image_summary import MEAN_OF_TASKS, SummaryRow

TRAINING_FREE = "training-free methods"
ALL_METHODS = "all methods"


@dataclass(frozen=True)
class NestedRow:
    """One choice.

    Attributes:
        candidates: what was chosen among, `TRAINING_FREE` or `ALL_METHODS`.
        shots: number of support images.
        task: the task that the choice did not see.
        method: the method with the highest mean image AUROC on the other tasks.
        auroc: its image AUROC on this task.
    """

    candidates: str
    shots: int
    task: str
    method: str
    auroc: float


def choose_without_task(rows: Sequence[SummaryRow]) -> list[NestedRow]:
    """Choose a method for each task by the other tasks.

    Only methods that were measured on every task take part; with fewer than two tasks there is
    nothing to choose by. Of equals the first by name is taken.

    Args:
        rows: from `image_summary.summarise`.
    """
    honest = [row for row in rows if row.protocol == CORRECTED and row.task != MEAN_OF_TASKS]
    tasks = sorted({row.task for row in honest})
    if len(tasks) < 2:
        return []
    choices = []
    for shots in sorted({row.shots for row in honest}):
        here = [row for row in honest if row.shots == shots]
        for candidates in (TRAINING_FREE, ALL_METHODS):
            reached: dict[str, dict[str, float]] = {}
            for row in here:
                if candidates == ALL_METHODS or not row.trained:
                    reached.setdefault(row.method, {})[row.task] = row.auroc.mean
            whole = {name: values for name, values in reached.items() if len(values) == len(tasks)}
            if not whole:
                continue
            for task in tasks:
                others = [other for other in tasks if other != task]
                method = max(
                    sorted(whole),
                    key=lambda name: float(np.mean([whole[name][other] for other in others])),
                )
                choices.append(NestedRow(candidates, shots, task, method, whole[method][task]))
    return choices
