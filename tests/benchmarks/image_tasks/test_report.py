"""What the study writes: tables that can be read back, and pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.image_tasks.official import OFFICIAL
from benchmarks.image_tasks.plots import plot_bars, plot_histograms, plot_protocol_gap, plot_roc
from benchmarks.image_tasks.report import best_training_free, main_methods, write_report
from benchmarks.image_tasks.tables import protocol_table
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.errors import InputError
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.evaluation.image_summary import MEAN_OF_TASKS, measure_runs, summarise
from tests.benchmark.markdown import tables
from tests.evaluation.scored_runs import STRENGTHS, scored_run


def benchmark() -> list[ImageScores]:
    """Two tasks, two shots, four methods of which two were trained, and the official protocol."""
    titles = []
    for task in ("hands", "knees"):
        for shots in (2, 4):
            for method, separation in STRENGTHS.items():
                seed = None if method.startswith("nearest") else 0
                titles += [
                    scored_run(
                        method, task=task, shots=shots, seed=seed, draw=d, separation=separation
                    )
                    for d in range(2)
                ]
            titles.append(
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
    return titles


@pytest.fixture(scope="module")
def scores() -> list[ImageScores]:
    return benchmark()


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


def test_the_bar_is_the_best_method_without_training() -> None:
    rows = summarise(
        measure_runs(
            [
                scored_run("own", seed=0, separation=4),
                scored_run("weak", separation=0),
                scored_run("strong", separation=2),
            ],
            rounds=20,
        )
    )
    best = best_training_free(rows, "hands", 4)
    assert best is not None and best.method == "strong"
    assert best_training_free(rows, "hands", 8) is None


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
