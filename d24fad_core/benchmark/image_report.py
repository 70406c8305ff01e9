"""What a benchmark on images writes of its scores."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.benchmark.image_benchmark import ImageBenchmark
from d24fad_core.benchmark.image_tables import benchmark_table
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.evaluation.image_summary import SummaryRow, measure_runs, summarise
from d24fad_core.evaluation.metrics.bootstrap import ROUNDS
from d24fad_core.files import write_text

CONFIGURATION_FILE = "configuration.json"
SUMMARY_FILE = "summary.json"
TABLE_FILE = "summary.md"


def write_report(
    scores: Sequence[ImageScores], folder: Path, *, rounds: int = ROUNDS
) -> list[SummaryRow]:
    """Write `summary.json` and `summary.md`.

    Args:
        scores: of all cells.
        folder: where to write.
        rounds: resamples of the intervals.

    Returns:
        The rows of the summary.

    Raises:
        InputError: some scores do not fit together.
    """
    rows = summarise(measure_runs(scores, rounds=rounds))
    write_summary(rows, rounds, folder)
    write_text(folder / TABLE_FILE, benchmark_table(rows))
    return rows


def write_summary(rows: Sequence[SummaryRow], rounds: int, folder: Path, **more: Any) -> None:
    """Write `summary.json`.

    Args:
        rows: of the summary.
        rounds: resamples of the intervals.
        folder: where to write.
        more: what stands behind the rows, by name.
    """
    document = {
        "notice": RESEARCH_USE_ONLY,
        "version": __version__,
        "resamples": rounds,
        "rows": [asdict(row) for row in rows],
        **more,
    }
    write_text(folder / SUMMARY_FILE, json.dumps(document, indent=2, allow_nan=False) + "\n")


def write_configuration(benchmark: ImageBenchmark, folder: Path) -> None:
    """Write `configuration.json`: what shaped the results, without paths of this computer."""
    document = {"notice": RESEARCH_USE_ONLY, "version": __version__, **benchmark.to_dict()}
    write_text(folder / CONFIGURATION_FILE, json.dumps(document, indent=2) + "\n")
