"""What a benchmark writes: tables that can be read back."""

import json
from pathlib import Path

import numpy as np
import pytest

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.benchmark.image_report import write_report
from d24fad_core.benchmark.image_tables import benchmark_table
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.evaluation.image_summary import MEAN_OF_TASKS, measure_runs, summarise
from tests.benchmark.markdown import tables
from tests.evaluation.scored_runs import STRENGTHS, scored_run


@pytest.fixture(scope="module")
def scores() -> list[ImageScores]:
    """Two tasks, two shots, four methods of which two were trained."""
    return [
        scored_run(
            method,
            task=task,
            shots=shots,
            seed=None if method.startswith("nearest") else 0,
            draw=draw,
            separation=separation,
        )
        for task in ("hands", "knees")
        for shots in (2, 4)
        for method, separation in STRENGTHS.items()
        for draw in range(2)
    ]


def test_tables_show_every_figure_in_blocks_of_shots(scores: list[ImageScores]) -> None:
    rows = summarise(measure_runs(scores, rounds=50))
    document = benchmark_table(rows)
    assert RESEARCH_USE_ONLY in document
    assert document.index("## 2 shots") < document.index("## 4 shots")
    first = tables(document)[0]
    assert first[0] == ["method", "hands", "knees", MEAN_OF_TASKS]
    names = [row[0] for row in first[1:]]
    assert names[:3] == ["`default`", "`paper`", "*no training:*"]
    assert names[-1] == "*best training-free of each task †*"
    own = next(r for r in rows if (r.task, r.method, r.shots) == ("hands", "default", 2))
    low, high = own.auroc.interval
    cell = first[1][1]
    assert f"{own.auroc.mean:.3f}" in cell and f"({low:.3f} to {high:.3f})" in cell
    assert all(len(row) == 4 for row in first)


def test_the_best_are_marked(scores: list[ImageScores]) -> None:
    rows = [r for r in summarise(measure_runs(scores, rounds=20)) if r.shots == 2]
    table = tables(benchmark_table(rows))[0]
    for column, task in enumerate(table[0][1:], start=1):
        here = [r for r in rows if r.task == task and r.protocol == "corrected"]
        best = max(here, key=lambda row: row.auroc.mean)
        free = max((r for r in here if not r.trained), key=lambda row: row.auroc.mean)
        marked = {mark: [r[0] for r in table[1:-1] if mark in r[column]] for mark in ("**", "†")}
        assert marked == {"**": [f"`{best.method}`"], "†": [f"`{free.method}`"]}
    bar = [float(cell) for cell in table[-1][1:]]
    assert bar[-1] == pytest.approx(np.mean(bar[:-1]), abs=1e-3)


def test_a_missing_figure_is_a_dash() -> None:
    rows = summarise(
        measure_runs([scored_run("own"), scored_run("other", task="knees")], rounds=20)
    )
    table = tables(benchmark_table(rows))[0]
    assert {row[0]: row[1:].index("-") for row in table[1:]} == {"`own`": 1, "`other`": 0}


def test_a_report_is_whole(scores: list[ImageScores], tmp_path: Path) -> None:
    rows = write_report(scores, tmp_path, rounds=50)
    document = json.loads((tmp_path / "summary.json").read_text())
    assert document["notice"] == RESEARCH_USE_ONLY
    assert len(document["rows"]) == len(rows)
    first = document["rows"][0]
    assert first["auroc"]["interval"][0] <= first["auroc"]["mean"]
    table = (tmp_path / "summary.md").read_text()
    assert RESEARCH_USE_ONLY in table and tables(table)[0][1][0] == "`default`"


def test_one_task_and_one_run_make_a_report(tmp_path: Path) -> None:
    write_report([scored_run("nearest/max")], tmp_path, rounds=20)
    assert "± " not in tables((tmp_path / "summary.md").read_text())[0][1][1]
