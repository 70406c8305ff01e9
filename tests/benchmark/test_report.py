"""What a benchmark writes: tables that can be read back, and pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.benchmark.plots import plot_bars, plot_histograms, plot_protocol_gap, plot_roc
from d24fad_core.benchmark.report import main_methods, write_report
from d24fad_core.benchmark.results import OFFICIAL, ImageScores
from d24fad_core.benchmark.summary import MEAN_OF_TASKS, measure_runs, summarise
from d24fad_core.benchmark.tables import benchmark_table, protocol_table
from d24fad_core.errors import InputError
from tests.benchmark.scored_runs import scored_run

STRENGTHS = {"default": 2.0, "paper": 0.5, "nearest/max": 1.0, "nearest/mean": 1.4}


def benchmark() -> list[ImageScores]:
    """Two tasks, two shots, four methods of which two were trained, and the official protocol."""
    found = []
    for task in ("hands", "knees"):
        for shots in (2, 4):
            for method, separation in STRENGTHS.items():
                seed = None if method.startswith("nearest") else 0
                found += [
                    scored_run(
                        method, task=task, shots=shots, seed=seed, draw=d, separation=separation
                    )
                    for d in range(2)
                ]
            found.append(
                scored_run(
                    "paper",
                    task=task,
                    shots=shots,
                    seed=0,
                    protocol=OFFICIAL,
                    separation=4.0,
                    images=16,
                )
            )
    return found


@pytest.fixture(scope="module")
def scores() -> list[ImageScores]:
    return benchmark()


def tables(document: str) -> list[list[list[str]]]:
    """Each Markdown table as rows of cells, the heading first."""
    found: list[list[list[str]]] = []
    before = ""
    for line in document.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not before.startswith("|"):
                found.append([])
            if set(cells) != {"---"}:
                found[-1].append(cells)
        before = line
    return found


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


def test_the_gap_of_the_protocols_stands_beside_the_honest_figure(
    scores: list[ImageScores],
) -> None:
    rows = summarise(measure_runs(scores, rounds=20))
    table = tables(protocol_table(rows))[0]
    assert [row[:3] for row in table[1:4]] == [
        ["2", "`paper`", "hands"],
        ["2", "`paper`", "knees"],
        ["2", "`paper`", MEAN_OF_TASKS],
    ]
    for row in table[1:]:
        honest, official, gap = (float(cell) for cell in row[3:6])
        assert gap == pytest.approx(official - honest, abs=2e-3) and gap > 0
    assert table[1][6] == "8"
    assert protocol_table([row for row in rows if row.protocol != OFFICIAL]) == ""


def test_a_report_is_whole(scores: list[ImageScores], tmp_path: Path) -> None:
    rows = write_report(scores, tmp_path, rounds=50)
    document = json.loads((tmp_path / "summary.json").read_text())
    assert document["notice"] == RESEARCH_USE_ONLY
    assert len(document["rows"]) == len(rows)
    first = document["rows"][0]
    assert first["auroc"]["interval"][0] <= first["auroc"]["mean"]
    assert {(d["method"], d["other"]) for d in document["differences"]} == {
        ("default", "paper"),
        ("default", "nearest/mean"),
    }
    assert "`default` - `nearest/mean`" in (tmp_path / "summary.md").read_text()
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "bars.png",
        "protocol_gap.png",
        *(f"{kind}_{shots}shots.png" for kind in ("roc", "histograms") for shots in (2, 4)),
    }
    for path in (tmp_path / "plots").iterdir():
        with Image.open(path) as picture:
            assert picture.info["Comment"] == RESEARCH_USE_ONLY
            pixels = np.asarray(picture.convert("RGB"))
        assert min(pixels.shape[:2]) > 300 and len(np.unique(pixels)) > 20


def test_one_task_and_one_run_make_a_report(tmp_path: Path) -> None:
    write_report([scored_run("nearest/max")], tmp_path, rounds=20)
    assert not (tmp_path / "plots" / "protocol_gap.png").exists()
    assert "± " not in tables((tmp_path / "summary.md").read_text())[0][1][1]


def test_the_main_methods_are_the_products_the_papers_and_the_bar(
    scores: list[ImageScores],
) -> None:
    rows = summarise(measure_runs(scores, rounds=20))
    assert main_methods(rows) == ["default", "paper", "nearest/mean"]


def test_official_scores_alone_are_no_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no corrected scores"):
        write_report([scored_run("paper", protocol=OFFICIAL)], tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_cannot_be_drawn(tmp_path: Path) -> None:
    scores = [scored_run("own")]
    rows = summarise(measure_runs(scores, rounds=20))
    path = tmp_path / "picture.png"
    with pytest.raises(InputError, match="of other at 4 shots"):
        plot_roc(scores, ["other"], 4, path)
    with pytest.raises(InputError, match="of own at 2 shots"):
        plot_histograms(scores, "own", 2, path)
    with pytest.raises(InputError, match="no figures of other"):
        plot_bars(rows, ["other"], path)
    with pytest.raises(InputError, match="--protocol both"):
        plot_protocol_gap(rows, path)
    assert not path.exists()
