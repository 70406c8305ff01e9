"""Everything that the study writes of its scores."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.image_tasks.nested import choose_without_task
from benchmarks.image_tasks.official import OFFICIAL
from benchmarks.image_tasks.paired import DifferenceRow, differences
from benchmarks.image_tasks.plots import plot_bars, plot_histograms, plot_protocol_gap, plot_roc
from benchmarks.image_tasks.tables import study_table
from d24fad_core.benchmark.image_report import TABLE_FILE, write_summary
from d24fad_core.errors import InputError
from d24fad_core.evaluation.image_scores import CORRECTED, ImageScores
from d24fad_core.evaluation.image_summary import (
    MEAN_OF_TASKS,
    SummaryRow,
    measure_runs,
    summarise,
)
from d24fad_core.evaluation.metrics.bootstrap import ROUNDS
from d24fad_core.files import write_text

PLOT_FOLDER = "plots"
_MAIN_METHODS = ("default", "default_without_teacher", "default_without_student", "paper")


def write_report(
    scores: Sequence[ImageScores], folder: Path, *, rounds: int = ROUNDS
) -> list[SummaryRow]:
    """Write `summary.json`, `summary.md` and `plots/*.png`.

    Args:
        scores: of all cells.
        folder: where to write.
        rounds: resamples of the intervals.

    Returns:
        The rows of the summary.

    Raises:
        InputError: there are no corrected scores, or some that do not fit together.
    """
    if not any(one.protocol == CORRECTED for one in scores):
        raise InputError("there are no corrected scores to report", "run --protocol corrected.")
    measured = measure_runs(scores, rounds=rounds)
    rows = summarise(measured)
    main = main_methods(rows)
    pairs: list[DifferenceRow] = []
    for other in main[1:]:
        pairs.extend(differences(measured, main[0], other))
    nested = choose_without_task(rows)
    write_summary(
        rows,
        rounds,
        folder,
        differences=[asdict(row) for row in pairs],
        chosen_without_task=[asdict(row) for row in nested],
    )
    write_text(folder / TABLE_FILE, study_table(rows, pairs, nested))

    plots = folder / PLOT_FOLDER
    plot_bars(rows, main, plots / "bars.png")
    corrected = {(row.method, row.shots) for row in rows if row.protocol == CORRECTED}
    for shots in sorted({shots for _, shots in corrected}):
        here = [method for method in main if (method, shots) in corrected]
        if here:
            plot_roc(scores, here, shots, plots / f"roc_{shots}shots.png")
            plot_histograms(scores, here[0], shots, plots / f"histograms_{shots}shots.png")
    official = {(row.method, row.shots) for row in rows if row.protocol == OFFICIAL}
    if official & corrected:
        plot_protocol_gap(rows, plots / "protocol_gap.png")
    return rows


def main_methods(rows: Sequence[SummaryRow]) -> list[str]:
    """The methods that pictures and differences show: the product's, the paper's and the bar.

    The bar is the training-free method that is best on the mean over tasks at most shots, or on
    the only task; the product's own map without a student stands for itself.
    """
    honest = [row for row in rows if row.protocol == CORRECTED]
    present = {row.method for row in honest}
    methods = [method for method in _MAIN_METHODS if method in present]
    others = [row for row in honest if row.method not in _MAIN_METHODS]
    tasks = {row.task for row in others}
    over = MEAN_OF_TASKS if MEAN_OF_TASKS in tasks else next(iter(sorted(tasks)), "")
    wins: dict[str, int] = {}
    for shots in sorted({row.shots for row in others}):
        best = best_training_free(others, over, shots)
        if best is not None:
            wins[best.method] = wins.get(best.method, 0) + 1
    if wins:
        methods.append(max(wins, key=lambda method: wins[method]))
    return methods or sorted(present)[:4]


def best_training_free(
    rows: Sequence[SummaryRow], task: str, shots: int, protocol: str = CORRECTED
) -> SummaryRow | None:
    """The method with the highest image AUROC among those that need no training.

    It is the best of several by the test images themselves, so the bar is set rather too high.
    """
    candidates = [
        row
        for row in rows
        if (row.task, row.shots, row.protocol) == (task, shots, protocol) and not row.trained
    ]
    return max(candidates, key=lambda row: row.auroc.mean, default=None)
