"""`d24fad detect --image NAME=FILE`: real parts throughout, on small boxes."""

import csv
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from d24fad_core.cli import app
from d24fad_core.export import REPORT_SCHEMA
from tests.cli.small_studies import write_study

NAMES = ("flair", "t1")


def detect(
    folder: Path, untrained: Path, *more: str | Path, names: tuple[str, ...] = NAMES
) -> Result:
    images = [f"--image={name}={folder / 'case' / name}.nii.gz" for name in names]
    arguments = [
        *("detect", *images, "--support", folder / "normals", "--out", folder / "out"),
        *("--checkpoint", untrained, "--no-cache", *more),
    ]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A case and three normal people in two contrasts, the case's lesion in flair alone."""
    for number in range(4):
        place = tmp_path / "normals" / f"person{number}" if number else tmp_path / "case"
        write_study(place / "flair.nii.gz", seed=number, lesion=number == 0)
        write_study(place / "t1.nii.gz", seed=10 + number)
    return tmp_path


def report(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "out" / "report.json").read_text())
    jsonschema.validate(document, REPORT_SCHEMA)
    assert isinstance(document, dict)
    return document


def test_every_result_says_what_was_fused_and_what_carries_a_finding(
    people: Path, untrained: Path
) -> None:
    run = detect(people, untrained, "--threshold", "1", "--minimum-volume", "0.3")
    assert run.exit_code == 0, run.output
    document = report(people)
    assert [use["contrast"] for use in document["contrasts"]] == ["flair", "t1"]
    assert document["provenance"]["parameters"]["contrasts"] == "flair, t1"
    assert document["provenance"]["query_name"] == "case"
    assert {use["name"] for use in document["provenance"]["supports"]} == {
        "person1",
        "person2",
        "person3",
    }
    first = document["findings"][0]
    assert {score["contrast"] for score in first["contrasts"]} == set(NAMES)
    carried = max(first["contrasts"], key=lambda score: score["mean_score"])["contrast"]
    assert f"Carried by {carried}; mean score in each contrast alone:" in run.stdout
    assert "Contrasts: flair, t1" in run.stdout
    with (people / "out" / "findings.csv").open() as stream:
        assert next(csv.DictReader(stream))["carried_by"] == carried
    assert f"Carried by {carried}" in (people / "out" / "report.html").read_text()


def test_a_contrast_that_is_missing_is_left_out_and_said_so(people: Path, untrained: Path) -> None:
    for number in (1, 2):
        (people / "normals" / f"person{number}" / "t1.nii.gz").unlink()
    run = detect(people, untrained, "--quiet")
    assert run.exit_code == 0, run.output
    assert "warning: The contrast t1 was left out: 1 of the 3 normal people" in run.stderr
    document = report(people)
    assert [use["contrast"] for use in document["contrasts"]] == ["flair"]
    assert "contrast_missing" in [warning["code"] for warning in document["warnings"]]


def test_a_contrast_that_the_case_lacks_is_said(people: Path, untrained: Path) -> None:
    run = detect(people, untrained, "--quiet", names=("flair",))
    assert run.exit_code == 0, run.output
    assert "The contrast t1 was left out: the normal people have it" in run.stderr


def test_what_goes_with_a_single_study_is_refused(people: Path, untrained: Path) -> None:
    flair = people / "case" / "flair.nii.gz"
    for more, message in (
        (("--prior", flair), "--prior goes with a single study"),
        (("--mask", flair), "--mask goes with a single study"),
        ((flair,), "give one study, or each contrast"),
    ):
        run = detect(people, untrained, *more)
        assert run.exit_code == 2
        assert message in run.stderr
    assert not (people / "out").exists()


def test_nothing_to_analyse_is_refused(people: Path) -> None:
    arguments = ["detect", "--support", people / "normals", "--out", people / "out"]
    run = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert run.exit_code == 2
    assert "there is no study to analyse" in run.stderr
