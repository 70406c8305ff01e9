"""`python -m benchmarks.image_tasks` on two little tasks."""

import json
from pathlib import Path

import pytest

from benchmarks.image_tasks.__main__ import main
from benchmarks.image_tasks.methods import POOLINGS
from benchmarks.image_tasks.report import PLOT_FOLDER
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.benchmark.image_report import CONFIGURATION_FILE, SUMMARY_FILE, TABLE_FILE
from d24fad_core.errors import ConfigurationError
from tests.evaluation.small_tasks import write_task

SHORT = ("--image-size", "64", "--steps", "1", "--seeds", "1", "--draws", "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in ("discs", "plates"):
        write_task(root, name, train=12, good=9, bad=9)
    return root


@pytest.mark.slow
def test_both_protocols_end_in_tables_and_plots(data: Path, tmp_path: Path) -> None:
    folders = ("--data", str(data), "--out", str(tmp_path))
    choice = ("--shots", "2", "4", "--protocol", "both", "--methods", "default", "patchcore")
    main([*folders, *choice, *SHORT])
    document = json.loads((tmp_path / SUMMARY_FILE).read_text())
    assert document["notice"] == RESEARCH_USE_ONLY
    rows = document["rows"]
    assert {row["shots"] for row in rows} == {2, 4}
    assert {row["task"] for row in rows} == {"discs", "plates", "mean of tasks"}
    assert {row["method"] for row in rows if row["protocol"] == "official"} == {
        "default/paper_pooling"
    }
    assert {(row["method"], row["seeds"]) for row in rows} == {
        ("default", 1),
        ("default/paper_pooling", 1),
        *((f"patchcore/{pooling.name}", 0) for pooling in POOLINGS),
    }
    table = (tmp_path / TABLE_FILE).read_text()
    assert RESEARCH_USE_ONLY in table and "## Chosen without the task" in table
    configuration = json.loads((tmp_path / CONFIGURATION_FILE).read_text())
    assert [method["name"] for method in configuration["methods"]] == ["default", "patchcore"]
    plots = {path.name for path in (tmp_path / PLOT_FOLDER).iterdir()}
    assert {"bars.png", "protocol_gap.png", "roc_2shots.png", "roc_4shots.png"} <= plots


def test_a_variant_whose_student_is_not_trained_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'paper' needs a student trained with the preset"):
        main(["--data", str(data), "--out", str(tmp_path / "out"), "--methods", "paper"])
    assert not (tmp_path / "out").exists()
