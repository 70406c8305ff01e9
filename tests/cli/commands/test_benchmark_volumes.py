"""`d24fad benchmark-volumes` through the real command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli import app
from tests.benchmark.small_cohorts import write_cohort


def benchmark(*arguments: object) -> Result:
    return CliRunner().invoke(
        app, ["benchmark-volumes", *(str(argument) for argument in arguments)]
    )


@pytest.fixture
def cohorts(tmp_path: Path) -> Path:
    for number, contrast in enumerate(("T1", "T2")):
        write_cohort(tmp_path / "cohorts" / contrast, seed=100 * number)
    return tmp_path / "cohorts"


def test_a_contrast_is_measured_and_written(cohorts: Path, untrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = benchmark(
        *("--data", cohorts, "--contrast", "T2", "--shots", 3, "--plane", "axial"),
        *("--checkpoint", untrained, "--no-register", "--out", out),
    )
    assert run.exit_code == 0, run.output
    assert RESEARCH_USE_ONLY in run.stdout
    assert run.stderr == f"wrote {out / 'volumes.md'}\n"
    document = json.loads((out / "volumes.json").read_text())
    assert {(r["contrast"], r["planes"]) for r in document["results"]} == {("T2", "axial")}
    assert document["trained"] is False and document["shots"] == 3
    assert (out / "pictures" / "T2_only_default.png").exists()


def test_a_case_of_ones_own_is_measured_against_all_of_its_support(
    cohorts: Path, untrained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    cohort = cohorts / "T1"
    run = benchmark(
        *("--case", cohort / "cases" / "sick.nii.gz", "--mask", cohort / "masks" / "sick.nii.gz"),
        *("--support", cohort / "support", "--checkpoint", untrained, "--no-register"),
        *("--out", out),
    )
    assert run.exit_code == 0, run.output
    document = json.loads((out / "volumes.json").read_text())
    assert {r["contrast"] for r in document["results"]} == {"sick"}
    assert {r["planes"] for r in document["results"]} == {
        "axial",
        "coronal",
        "sagittal",
        "fusion",
    }
    assert document["results"][0]["evaluation"]["voxels"]["auroc"]["interval"] is None


@pytest.mark.slow
def test_a_student_is_trained_for_a_contrast(cohorts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = benchmark(
        *("--data", cohorts, "--contrast", "T2", "--shots", 3, "--plane", "axial"),
        *("--no-register", "--epochs", 1, "--steps", 1, "--out", out),
    )
    assert run.exit_code == 0, run.output
    card = json.loads((out / "students" / "T2" / "checkpoint" / "card.json").read_text())
    assert card["training"]["tasks"] == ["T1 axial"]
    assert json.loads((out / "volumes.json").read_text())["trained"] is True


Arguments = Callable[[Path], list[object]]

BAD_INPUTS: dict[str, tuple[Arguments, str]] = {
    "neither data nor case": (lambda _: [], "either --data, or --case"),
    "both": (lambda root: ["--data", root, "--case", root / "x.nii"], "either --data, or --case"),
    "missing data": (lambda root: ["--data", root / "none"], "no folder"),
    "no cohort inside": (lambda root: ["--data", root / "T1"], "no cohort in"),
    "unknown contrast": (
        lambda root: ["--data", root, "--contrast", "FLAIR"],
        "no contrast 'FLAIR'; there are T1, T2",
    ),
    "too many shots": (lambda root: ["--data", root], "has 3 studies and 4 were asked for"),
    "mask without case": (
        lambda root: ["--data", root, "--mask", root / "x.nii"],
        "--mask and --support belong to --case",
    ),
    "case without mask": (
        lambda root: ["--case", root / "T1" / "cases" / "sick.nii.gz"],
        "--case needs its lesions (--mask)",
    ),
    "case without support folder": (
        lambda root: [
            *("--case", root / "T1" / "cases" / "sick.nii.gz"),
            *("--mask", root / "T1" / "masks" / "sick.nii.gz", "--support", root / "none"),
        ],
        "no folder",
    ),
    "missing checkpoint": (
        lambda root: ["--data", root, "--shots", 3, "--checkpoint", root / "none"],
        "no checkpoint at",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), BAD_INPUTS.values(), ids=list(BAD_INPUTS))
def test_bad_input_ends_in_one_line(
    cohorts: Path, tmp_path: Path, arguments: Arguments, words: str
) -> None:
    out = tmp_path / "out"
    run = benchmark(*arguments(cohorts), "--out", out)
    assert run.exit_code == 2, run.output
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith("error: ") and words in run.stderr
    assert not out.exists()
