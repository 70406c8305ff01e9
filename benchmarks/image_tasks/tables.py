"""Markdown tables of the study: those of every benchmark, and what only this project compares."""

from collections.abc import Sequence

from benchmarks.image_tasks.nested import NestedRow
from benchmarks.image_tasks.official import OFFICIAL
from benchmarks.image_tasks.paired import DifferenceRow
from d24fad_core.benchmark.image_tables import (
    code_name,
    markdown_table,
    opening_blocks,
    shots_blocks,
)
from d24fad_core.evaluation.image_scores import CORRECTED
from d24fad_core.evaluation.image_summary import MEAN_OF_TASKS, SummaryRow


def study_table(
    rows: Sequence[SummaryRow],
    differences: Sequence[DifferenceRow] = (),
    nested: Sequence[NestedRow] = (),
) -> str:
    """All tables of a benchmark as one Markdown document.

    Args:
        rows: from `image_summary.summarise`.
        differences: from `paired.differences`, of any pairs.
        nested: from `nested.choose_without_task`.
    """
    blocks = opening_blocks()
    for shots in sorted({row.shots for row in rows}):
        blocks.extend(shots_blocks([row for row in rows if row.shots == shots], shots))
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
        lines += [(*start, row.task, code_name(row.method), f"{row.auroc:.3f}") for row in group]
        mean = sum(row.auroc for row in group) / len(group)
        lines.append((*start, MEAN_OF_TASKS, "", f"**{mean:.3f}**"))
    return markdown_table(("shots", "chosen among", "task", "method", "image AUROC"), lines)


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
                code_name(method),
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
    return markdown_table(heading, sorted(lines, key=_by_shots_and_task))


def _difference_blocks(rows: Sequence[DifferenceRow]) -> list[str]:
    lines = [
        (
            f"{code_name(row.method)} - {code_name(row.other)}",
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
        markdown_table(heading, lines),
    ]


def _by_shots_and_task(line: Sequence[str]) -> tuple[int, str, bool, str]:
    return int(line[0]), line[1], line[2] == MEAN_OF_TASKS, line[2]
