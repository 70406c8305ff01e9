"""Markdown tables of a benchmark."""

from collections.abc import Iterable, Mapping, Sequence

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.evaluation.image_scores import CORRECTED
from d24fad_core.evaluation.image_summary import (
    MEAN_OF_TASKS,
    MeasureSummary,
    SummaryRow,
)

_FREE_MARK = "†"

_READING = f"""\
Corrected protocol unless a table says otherwise: every test image is scored by itself, and nothing
of the test set enters a score. Each figure is the mean over runs; a run is one draw of supports
and, where a student was trained, one seed, with the task held out of its training. In brackets the
95 % bootstrap interval over test images, resampled within each class; after ± the standard
deviation over runs. Methods above *no training* were trained. Of those below it {_FREE_MARK} marks
the best of each column *by these same test images*, which sets the bar rather too high. Bold is the
best of all."""


def benchmark_table(rows: Sequence[SummaryRow]) -> str:
    """All tables of a benchmark as one Markdown document.

    Args:
        rows: from `image_summary.summarise`.
    """
    blocks = opening_blocks()
    for shots in sorted({row.shots for row in rows}):
        blocks.extend(shots_blocks([row for row in rows if row.shots == shots], shots))
    return "\n\n".join(blocks) + "\n"


def opening_blocks() -> list[str]:
    """Title, notice and how to read the tables."""
    return ["# Benchmark on images", f"**{RESEARCH_USE_ONLY}**", _READING]


def shots_blocks(rows: Sequence[SummaryRow], shots: int) -> list[str]:
    """A heading and a table for each measure, of rows of these shots."""
    heading = f"## {shots} shots"
    honest = [row for row in rows if row.protocol == CORRECTED]
    if not honest:
        return [heading]
    tasks = _tasks(honest)
    methods = _ordered_methods(honest)
    runs = "; ".join(
        f"{what}: {text}"
        for what, text in (
            ("trained", _runs(honest, trained=True)),
            ("training-free", _runs(honest, trained=False)),
        )
        if text
    )
    return [
        heading,
        f"Image AUROC ({runs}).",
        _measure_table(honest, methods, tasks, shots, "auroc", intervals=True),
        "AUPRC (average precision).",
        _measure_table(honest, methods, tasks, shots, "average_precision", intervals=False),
        "Sensitivity at 95 % specificity.",
        _measure_table(honest, methods, tasks, shots, "sensitivity", intervals=False),
    ]


def _measure_table(
    rows: Sequence[SummaryRow],
    methods: Sequence[str],
    tasks: Sequence[str],
    shots: int,
    measure: str,
    *,
    intervals: bool,
) -> str:
    by_cell = {(row.method, row.task): row for row in rows}
    highest = {
        task: max(_value(row, measure).mean for row in rows if row.task == task) for task in tasks
    }
    free = {
        task: max(
            (_value(row, measure).mean for row in rows if row.task == task and not row.trained),
            default=None,
        )
        for task in tasks
    }
    lines = []
    for method in methods:
        cells = [code_name(method)]
        for task in tasks:
            row = by_cell.get((method, task))
            if row is None:
                cells.append("-")
                continue
            value = _value(row, measure)
            text = f"{value.mean:.3f}"
            if value.mean == highest[task]:
                text = f"**{text}**"
            if not row.trained and value.mean == free[task]:
                text += _FREE_MARK
            if intervals:
                text += f" ({value.interval[0]:.3f} to {value.interval[1]:.3f})"
                text += "" if value.deviation is None else f" ± {value.deviation:.3f}"
            cells.append(text)
        lines.append(tuple(cells))
    trained = [any(row.trained for row in rows if row.method == method) for method in methods]
    if any(trained) and not all(trained):
        lines.insert(trained.index(False), ("*no training:*", *("" for _ in tasks)))
    lines.extend(_bar(free))
    return markdown_table(("method", *tasks), lines)


def _bar(free: Mapping[str, float | None]) -> list[tuple[str, ...]]:
    """A line with the best training-free figure of each task and their mean, where all have one."""
    best = [value for task, value in free.items() if task != MEAN_OF_TASKS and value is not None]
    if len(best) < 2 or None in free.values() or MEAN_OF_TASKS not in free:
        return []
    cells = [f"{value:.3f}" for value in (*best, sum(best) / len(best))]
    return [(f"*best training-free of each task {_FREE_MARK}*", *cells)]


def _tasks(rows: Iterable[SummaryRow]) -> list[str]:
    names = {row.task for row in rows}
    return [*sorted(names - {MEAN_OF_TASKS}), *sorted(names & {MEAN_OF_TASKS})]


def _ordered_methods(rows: Sequence[SummaryRow]) -> list[str]:
    """Trained methods first, each kind by falling mean over tasks."""
    by_method: dict[str, list[SummaryRow]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)

    def place(method: str) -> tuple[bool, float]:
        own = by_method[method]
        means = [row.auroc.mean for row in own if row.task == MEAN_OF_TASKS]
        if not means:
            means = [sum(row.auroc.mean for row in own) / len(own)]
        return not any(row.trained for row in own), -means[0]

    return sorted(by_method, key=place)


def _runs(rows: Sequence[SummaryRow], *, trained: bool) -> str:
    selection = [row for row in rows if row.trained is trained]
    if not selection:
        return ""
    draws = _range([row.draws for row in selection])
    if not trained:
        return f"{draws} draws"
    return f"{draws} draws x {_range([row.seeds for row in selection])} seeds"


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _value(row: SummaryRow, measure: str) -> MeasureSummary:
    value: MeasureSummary = getattr(row, measure)
    return value


def code_name(method: str) -> str:
    """A method's name as code."""
    return f"`{method}`"


def markdown_table(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table."""
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
