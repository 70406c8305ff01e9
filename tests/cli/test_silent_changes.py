"""Commands refuse a scan that changed since they read it, although nobody wrote to it."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from d24fad_core.archive.analyst import Analyst, AnalystPlan
from d24fad_core.archive.worklist import ListedStudy
from d24fad_core.cli import app
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import SupportError
from d24fad_core.volumes.volume import Volume
from tests.cli.fake_detector import FakeDetector
from tests.cli.small_studies import write_study
from tests.silent_changes import flip_a_bit, hide_writings

REFUSAL = "holds other bytes than when it was read before, and nobody has written to it since"


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Scans in a format without a checksum, written long ago."""
    for number, name in enumerate(("case", "prior", "normals/a", "normals/b")):
        write_study(tmp_path / f"{name}.nii", seed=number)
    hide_writings(monkeypatch)
    return tmp_path


def detect(folder: Path, *more: str | Path) -> Result:
    arguments = ["detect", "--out", folder / "out", "--cache", folder / "cache", *more]
    return CliRunner().invoke(app, [str(each) for each in arguments], obj=FakeDetector().load)


@pytest.mark.parametrize("name", ["case.nii", "normals/a.nii"])
def test_a_case_or_a_normal(name: str, unpacked: Path) -> None:
    command = (unpacked / "case.nii", "--support", unpacked / "normals")
    assert detect(unpacked, *command).exit_code == 0
    former = (unpacked / "out" / "report.json").read_bytes()
    flip_a_bit(unpacked / name)
    run = detect(unpacked, *command)
    assert run.exit_code == 2
    assert run.stderr.count("\n") == 1
    assert f"{unpacked / name}: {REFUSAL}" in run.stderr
    assert (unpacked / "out" / "report.json").read_bytes() == former
    flip_a_bit(unpacked / name)
    assert detect(unpacked, *command).exit_code == 0


@pytest.mark.parametrize(
    "more",
    [
        ("case.nii", "--prior", "prior.nii"),
        ("--image", "t1=case.nii", "--image", "flair=prior.nii", "--support", "normals"),
    ],
    ids=["prior", "contrast"],
)
def test_a_prior_or_a_contrast(
    more: tuple[str, ...], unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(unpacked)
    assert REFUSAL not in detect(unpacked, *more).stderr
    flip_a_bit(unpacked / "prior.nii")
    run = detect(unpacked, *more)
    assert run.exit_code == 2
    assert f"prior.nii: {REFUSAL}" in run.stderr


def test_a_study_of_an_archive_or_a_dataset(unpacked: Path) -> None:
    """`scan` and `bids` analyse with the same analyst."""

    def stop(_: Volume) -> Volume:
        raise SupportError("it was read", "that is all.")

    plan = AnalystPlan((), DetectionOptions(), unpacked / "cache")
    nothing: Any = None
    analyst = Analyst(plan, nothing, (), nothing, stop)
    study = ListedStudy("0" * 16, "case.nii", unpacked / "case.nii")
    assert "it was read" in analyst.analyse(study).error
    flip_a_bit(study.path)
    assert REFUSAL in analyst.analyse(study).error
