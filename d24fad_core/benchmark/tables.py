"""Markdown tables of a benchmark."""

from collections.abc import Iterable, Mapping, Sequence

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.benchmark.nested import NestedRow
from d24fad_core.benchmark.paired import DifferenceRow
from d24fad_core.benchmark.results import CORRECTED, OFFICIAL
from d24fad_core.benchmark.summary import (
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


def benchmark_table(
    rows: Sequence[SummaryRow],
    differences: Sequence[DifferenceRow] = (),
    nested: Sequence[NestedRow] = (),
) -> str:
    """All tables of a benchmark as one Markdown document.

    Args:
        rows: from `summary.summarise`.
        differences: from `paired.differences`, of any pairs.
        nested: from `nested.choose_without_task`.
    """
    blocks = ["# Benchmark on images", f"**{RESEARCH_USE_ONLY}**", _READING]
    for shots in sorted({row.shots for row in rows}):
        selection = [row for row in rows if row.shots == shots]
        blocks.append(f"## {shots} shots")
        blocks.extend(_shots_blocks(selection, shots))
        paired = [row for row in differences if row.shots == shots]
        if paired:
            blocks.extend(_difference_blocks(paired))
    if nested:
        blocks.extend(
            [
                "## Chosen without the task",
                "Image AUROC of the method that is best on the mean of the *other* tasks: what a "
                "choice by such tables is worth on a task that nobody has looked at.",
                nested_table(nested),
            ]
        )
    gap = protocol_table(rows)
    if gap:
        blocks.extend(
            [
                "## The two protocols on the same maps",
                "Image AUROC. `official` is the protocol as published: blurred across batches "
                "sorted by label, the last incomplete batch dropped, normalised over the test set. "
                "The gap is what these faults add to the same weights and maps.",
                gap,
            ]
        )
    return "\n\n".join(blocks) + "\n"


def nested_table(rows: Sequence[NestedRow]) -> str:
    """Choices made without the task that they are measured on, and their mean."""
    groups: dict[tuple[int, str], list[NestedRow]] = {}
    for row in rows:
        groups.setdefault((row.shots, row.candidates), []).append(row)
    lines: list[tuple[str, ...]] = []
    for (shots, candidates), group in sorted(groups.items()):
        start = (str(shots), candidates)
        lines += [(*start, row.task, _name(row.method), f"{row.auroc:.3f}") for row in group]
        mean = sum(row.auroc for row in group) / len(group)
        lines.append((*start, MEAN_OF_TASKS, "", f"**{mean:.3f}**"))
    return _table(("shots", "chosen among", "task", "method", "image AUROC"), lines)


def protocol_table(rows: Sequence[SummaryRow]) -> str:
    """Corrected beside official figures of every method that has both; empty where none has."""
    by_key = {(row.shots, row.method, row.task, row.protocol): row for row in rows}
    lines: list[tuple[str, ...]] = []
    for (shots, method, task, protocol), row in by_key.items():
        published = by_key.get((shots, method, task, OFFICIAL))
        if protocol != CORRECTED or published is None:
            continue
        honest, inflated = row.auroc.mean, published.auroc.mean
        dropped = row.images - published.images
        lines.append(
            (
                str(shots),
                _name(method),
                task,
                f"{honest:.3f}",
                f"{inflated:.3f}",
                f"{inflated - honest:+.3f}",
                str(dropped) if dropped else "none",
            )
        )
    if not lines:
        return ""
    heading = ("shots", "method", "task", "corrected", "official", "gap", "images dropped")
    return _table(heading, sorted(lines, key=_by_shots_and_task))


def _shots_blocks(rows: Sequence[SummaryRow], shots: int) -> list[str]:
    honest = [row for row in rows if row.protocol == CORRECTED]
    if not honest:
        return []
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
        cells = [_name(method)]
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
    return _table(("method", *tasks), lines)


def _bar(free: Mapping[str, float | None]) -> list[tuple[str, ...]]:
    """A line with the best training-free figure of each task and their mean, where all have one."""
    best = [value for task, value in free.items() if task != MEAN_OF_TASKS and value is not None]
    if len(best) < 2 or None in free.values() or MEAN_OF_TASKS not in free:
        return []
    cells = [f"{value:.3f}" for value in (*best, sum(best) / len(best))]
    return [(f"*best training-free of each task {_FREE_MARK}*", *cells)]


def _difference_blocks(rows: Sequence[DifferenceRow]) -> list[str]:
    lines = [
        (
            f"{_name(row.method)} - {_name(row.other)}",
            row.task,
            f"{row.difference:+.3f}",
            f"{row.interval[0]:+.3f} to {row.interval[1]:+.3f}",
            "-" if row.deviation is None else f"{row.deviation:.3f}",
            str(row.draws),
        )
        for row in rows
    ]
    heading = ("difference of image AUROC", "task", "mean", "95 % interval", "± draws", "draws")
    return [
        "Differences on the same supports and the same images (an interval that leaves out 0 is a "
        "difference that other patients of this kind would likely show too):",
        _table(heading, lines),
    ]


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


def _name(method: str) -> str:
    return f"`{method}`"


def _by_shots_and_task(line: Sequence[str]) -> tuple[int, str, bool, str]:
    return int(line[0]), line[1], line[2] == MEAN_OF_TASKS, line[2]


def _table(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
