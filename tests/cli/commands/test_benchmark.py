"""`d24fad benchmark` on two little tasks, with its own teacher and preset."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.benchmark.image_report import CONFIGURATION_FILE, SUMMARY_FILE, TABLE_FILE
from d24fad_core.cli import app
from tests.evaluation.small_tasks import write_task

SHORT = ("--image-size", 64, "--steps", 1, "--seeds", 1, "--draws", 1)


def benchmark(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["benchmark", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in ("discs", "plates"):
        write_task(root, name, train=12, good=9, bad=9)
    return root


def rows(out: Path) -> list[dict[str, object]]:
    document = json.loads((out / SUMMARY_FILE).read_text())
    assert document["notice"] == RESEARCH_USE_ONLY
    return document["rows"]


@pytest.mark.slow
def test_a_benchmark_ends_in_tables(data: Path, tmp_path: Path) -> None:
    arguments = ("--data", data, "--out", tmp_path, "--shots", 2, 4, *SHORT)
    run = benchmark(*arguments, "--methods", "default,nearest_neighbour")
    assert run.exit_code == 0, run.output
    assert run.stderr == f"wrote {tmp_path / TABLE_FILE}\n"
    table = rows(tmp_path)
    assert {row["shots"] for row in table} == {2, 4}
    assert {row["task"] for row in table} == {"discs", "plates", "mean of tasks"}
    assert {(row["method"], row["seeds"]) for row in table} == {
        ("default", 1),
        ("nearest_neighbour", 0),
    }
    assert RESEARCH_USE_ONLY in (tmp_path / TABLE_FILE).read_text()
    configuration = json.loads((tmp_path / CONFIGURATION_FILE).read_text())
    assert configuration["notice"] == RESEARCH_USE_ONLY
    assert configuration["settings"]["shots"] == [2, 4]
    assert [method["name"] for method in configuration["methods"]] == [
        "default",
        "nearest_neighbour",
    ]
    assert configuration["trainings"]["default"]["image_size"] == 64
    assert str(tmp_path) not in (tmp_path / CONFIGURATION_FILE).read_text()

    scores = {path: path.stat().st_mtime_ns for path in (tmp_path / "scores").rglob("*.json")}
    again = benchmark(*arguments, "--methods", "default", "--methods", "nearest_neighbour")
    assert again.exit_code == 0
    assert scores == {path: path.stat().st_mtime_ns for path in scores}

    other = benchmark(*arguments, "--steps", 2)
    assert other.exit_code == 2
    assert "other settings or tasks" in other.stderr


@pytest.mark.slow
def test_ctrl_c_is_no_traceback_and_the_same_command_goes_on(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "d24fad_core", "benchmark"]
    arguments = [
        "--data",
        data,
        "--out",
        tmp_path,
        "--methods",
        "nearest_neighbour,default",
        *SHORT,
    ]
    process = subprocess.Popen(
        [*command, *(str(value) for value in arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while not list((tmp_path / "scores").rglob("*.json")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert len(errors.splitlines()) == 1 and errors.startswith("stopped")
    run = benchmark(*arguments)
    assert run.exit_code == 0, run.output
    assert {row["task"] for row in rows(tmp_path)} == {"discs", "plates", "mean of tasks"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shots", "1"), "--shots 1 cannot be used; give whole numbers from 2."),
        (("--shots", "2,many"), "--shots many cannot be used"),
        (("--shots", "2", "4", "1"), "--shots 1 cannot be used"),
        (("--tasks", "discs", "squares"), "no task 'squares' under "),
        (("--tasks", "squares"), "no task 'squares' under "),
        (("--methods", "magic"), "no method 'magic'; choose among default"),
        (("--methods", "paper"), "'paper' needs a student trained with the preset 'paper'"),
        (("--image-size", "100"), "an image size of 100 pixels does not fit"),
        (("--teacher", "nobody"), "unknown teacher 'nobody'"),
        (("--shots", "16"), "a draw takes 16 support images and there are 12"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(
    data: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    out = tmp_path / "out"
    run = benchmark("--data", data, "--out", out, *arguments)
    assert run.exit_code == 2
    assert run.stderr.startswith("error: ") and len(run.stderr.splitlines()) == 1
    assert message in run.stderr
    assert not out.exists()


def test_a_folder_without_tasks_is_named(tmp_path: Path) -> None:
    run = benchmark("--data", tmp_path, "--out", tmp_path / "out")
    assert run.exit_code == 2
    assert f"no task under {tmp_path}" in run.stderr
