"""`d24fad detect --prior`, alone and with normals."""

import csv
import json
from pathlib import Path

import jsonschema
import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli import app
from d24fad_core.export import CHANGE_REPORT_SCHEMA, REPORT_SCHEMA
from d24fad_core.volumes.volume import Volume
from tests.change.patient import Lesion, Pose, scan_patient
from tests.cli.fake_detector import FakeDetector

FOCUS = Lesion((10.0, -8.0, 6.0), 5.0)
STABLE = Lesion((-12.0, 14.0, -8.0), 6.0)
ALONE = {"change.nii.gz", "changes.csv", "changes.png", "report.html", "report.json"}


def save(volume: Volume, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(volume.array, volume.affine), path)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """case.nii.gz with a focus that prior.nii.gz lacks, and two normals."""
    folder = tmp_path_factory.mktemp("patient")
    save(scan_patient(lesions=(FOCUS, STABLE), seed=1), folder / "case.nii.gz")
    pose = Pose(3.0, shift=(3.0, -2.0, 4.0))
    save(scan_patient(lesions=(STABLE,), pose=pose, seed=2), folder / "prior.nii.gz")
    for person in (1, 2):
        save(scan_patient(person=person), folder / "normals" / f"normal-{person}.nii.gz")
    return folder


def detect(folder: Path, out: Path, *more: str | Path) -> Result:
    arguments = ["detect", folder / "case.nii.gz", "--out", out, *more]
    return CliRunner().invoke(app, [str(each) for each in arguments], obj=FakeDetector().load)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_prior_alone_says_what_is_new(patient: Path, tmp_path: Path) -> None:
    run = detect(patient, tmp_path, "--prior", patient / "prior.nii.gz")
    assert run.exit_code == 0, run.output
    assert names(tmp_path) == ALONE
    assert "new" in run.stdout and RESEARCH_USE_ONLY in run.stdout
    for name in ALONE:
        assert str(tmp_path / name) in run.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    jsonschema.validate(report, CHANGE_REPORT_SCHEMA)
    assert [each["kind"] for each in report["change"]["changes"]] == ["new"]
    with (tmp_path / "changes.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert row["kind"] == "new" and row["notice"] == RESEARCH_USE_ONLY
    place = [float(row[f"centroid_{side}_mm"]) for side in ("right", "anterior", "superior")]
    assert np.linalg.norm(np.array(place) - FOCUS.place) < 2.0
    image = nib.load(tmp_path / "change.nii.gz")
    case = nib.load(patient / "case.nii.gz")
    assert image.shape == case.shape
    np.testing.assert_allclose(image.affine, case.affine, atol=1e-4)
    peak = tuple(int(row[f"peak_voxel_{axis}"]) for axis in "ijk")
    assert image.get_fdata()[peak] == pytest.approx(float(row["peak_z"]), abs=0.01)


def test_normals_and_a_prior_give_both(patient: Path, tmp_path: Path) -> None:
    """The fake detector finds what is bright abnormal, so the old lesion is a stable finding."""
    more = ("--support", patient / "normals", "--prior", patient / "prior.nii.gz", "--json")
    run = detect(patient, tmp_path, *more)
    assert run.exit_code == 0, run.output
    report = json.loads(run.stdout)
    jsonschema.validate(report, REPORT_SCHEMA)
    assert names(tmp_path) > ALONE | {"heatmap.nii.gz", "findings.csv", "overlay.png"}
    kinds = [each["kind"] for each in report["change"]["changes"]]
    assert kinds == ["new", "stable"]
    stable = report["change"]["changes"][1]
    assert stable["volume_ml"] == pytest.approx(stable["prior_volume_ml"], rel=0.2)
    # Without a prior the same folder holds no change any more.
    detect(patient, tmp_path, "--support", patient / "normals")
    assert not names(tmp_path) & (ALONE - {"report.html", "report.json"})
    assert json.loads((tmp_path / "report.json").read_text())["change"] is None


def test_a_page_of_a_prior_alone_can_be_left_out(patient: Path, tmp_path: Path) -> None:
    prior = ("--prior", patient / "prior.nii.gz")
    assert detect(patient, tmp_path, *prior).exit_code == 0
    assert names(tmp_path) == ALONE
    run = detect(patient, tmp_path, "--no-html", *prior)
    assert run.exit_code == 0, run.output
    assert names(tmp_path) == ALONE - {"report.html"}


def test_something_to_compare_with_is_needed(patient: Path, tmp_path: Path) -> None:
    run = detect(patient, tmp_path)
    assert run.exit_code == 2
    assert "--support" in run.stderr and "--prior" in run.stderr


def test_a_prior_of_another_patient_is_refused_or_said(patient: Path, tmp_path: Path) -> None:
    run = detect(patient, tmp_path, "--prior", patient / "normals" / "normal-1.nii.gz")
    assert "likeness" in run.stderr
    assert run.exit_code in (0, 2)


@pytest.mark.parametrize(
    "more", [("--dicom",), ("--stow", "http://127.0.0.1:9"), ("--prior", "nowhere.nii.gz")]
)
def test_wrong_use_is_refused(patient: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    prior = () if "--prior" in more else ("--prior", patient / "prior.nii.gz")
    run = detect(patient, tmp_path / "out", *more, *prior)
    assert run.exit_code == 2
    assert not (tmp_path / "out").exists()
