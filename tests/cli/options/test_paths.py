"""Paths are looked at before anything slow happens, and results do no harm where they go."""

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from d24fad_core.cli import app
from d24fad_core.export import write_result
from tests.cli.fake_detector import FakeDetector
from tests.cli.small_studies import write_study


def detect(
    folder: Path, *more: str | Path, image: Path | None = None, fake: FakeDetector | None = None
) -> Result:
    arguments = [image or folder / "case.nii.gz", *more]
    for name, value in (("--support", folder / "normals"), ("--out", folder / "out")):
        if name not in more:
            arguments += [name, value]
    fake = fake or FakeDetector()
    return CliRunner().invoke(app, ["detect", *map(str, arguments)], obj=fake.load)


@pytest.mark.parametrize("place", ["normals", "normals/deeper/result", "link/result"])
def test_results_among_the_normals_are_refused(studies: Path, place: str) -> None:
    (studies / "link").symlink_to(studies / "normals")
    before = sorted((studies / "normals").rglob("*"))
    fake = FakeDetector()
    run = detect(studies, "--out", studies / place, fake=fake)
    assert run.exit_code == 2
    assert "lies in the support folder" in run.stderr and "give an --out folder" in run.stderr
    assert sorted((studies / "normals").rglob("*")) == before
    assert fake.studies == []


@pytest.mark.parametrize("name", ["heatmap.nii.gz", "mask.nii.gz"])
def test_an_input_is_never_overwritten(studies: Path, name: str) -> None:
    image = (studies / "case.nii.gz").rename(studies / name)
    content = image.read_bytes()
    run = detect(studies, "--out", studies, image=image)
    assert run.exit_code == 2
    assert f"{name}: would be overwritten" in run.stderr
    single = [studies / "normals" / f"normal-{number}.nii.gz" for number in (1, 2)]
    (studies / "normals" / "normal-3.nii.gz").rename(studies / "other.nii.gz")
    run = detect(
        studies,
        *("--support", image, "--support", single[0], "--support", single[1], "--out", studies),
        image=studies / "other.nii.gz",
    )
    assert run.exit_code == 2
    assert image.read_bytes() == content
    assert not (studies / "report.json").exists()


@pytest.mark.parametrize("option", ["--mask", "--regions", "--prior"])
def test_neither_is_what_goes_with_it(studies: Path, option: str) -> None:
    beside = studies / "mask.nii.gz"
    beside.write_bytes((studies / "normals" / "normal-3.nii.gz").read_bytes())
    content = beside.read_bytes()
    run = detect(studies, option, beside, "--out", studies)
    assert run.exit_code == 2
    assert "mask.nii.gz: would be overwritten" in run.stderr
    assert beside.read_bytes() == content


def test_no_case_is_overwritten_by_the_results_of_another(studies: Path) -> None:
    first = studies / "case" / "heatmap.nii.gz"
    first.parent.mkdir()
    content = (studies / "normals" / "normal-3.nii.gz").read_bytes()
    first.write_bytes(content)
    run = detect(studies, first, "--out", studies)
    assert run.exit_code == 2
    assert "heatmap.nii.gz: would be overwritten" in run.stderr
    assert first.read_bytes() == content


def test_results_of_an_earlier_run_are_no_normal_patients(studies: Path) -> None:
    assert detect(studies).exit_code == 0
    (studies / "out" / "heatmap.nii.gz").rename(studies / "normals" / "patient-7.nii.gz")
    (studies / "out" / "mask.nii.gz").rename(studies / "normals" / "mask.nii.gz")
    fake = FakeDetector()
    run = detect(studies, fake=fake)
    assert run.exit_code == 0, run.output
    assert [study.name for study in fake.studies] == ["normal-1", "normal-2", "normal-3"]
    lines = run.stderr.splitlines()
    assert len(lines) == 2
    assert all("is a result of this program, no patient" in line for line in lines)


def test_a_result_is_no_case(studies: Path) -> None:
    assert detect(studies).exit_code == 0
    run = detect(studies, "--out", studies / "new", image=studies / "out" / "heatmap.nii.gz")
    assert run.exit_code == 2
    assert "is a result of this program, no scan" in run.stderr


def test_a_folder_too_high_does_not_send_its_reader_to_the_lesions(studies: Path) -> None:
    write_study(studies / "cohort" / "cases" / "lesion.nii.gz", seed=5, lesion=True)
    write_study(studies / "cohort" / "support" / "normal.nii.gz", seed=6)
    run = detect(studies, "--support", studies / "cohort")
    assert run.exit_code == 2
    assert "no study lies directly in this folder" in run.stderr
    assert "holds normal studies and no others" in run.stderr
    assert "cases" not in run.stderr


WRONG_PATHS = {
    "case": ("detect", "{absent}", "--support", "{here}", "--out", "{here}/out"),
    "support": ("detect", "{here}", "--support", "{absent}", "--out", "{here}/out"),
    "out": ("detect", "{here}", "--support", "{here}", "--out", "{here}/out"),
    "model": (
        "detect",
        "{here}",
        "--support",
        "{here}",
        "--out",
        "/out",
        "--checkpoint",
        "{absent}",
    ),
    **{
        option: ("detect", "{here}", "--support", "{here}", "--out", "/out", option, "{absent}")
        for option in ("--prior", "--mask", "--support-mask", "--regions", "--decoder")
    },
    "info": ("info", "{absent}"),
    "worklist": ("scan", "{absent}", "--support", "{here}", "--out", "{here}/out"),
    "cohort": ("evaluate", "--volumes", "{absent}"),
    "normals": ("train", "--volumes", "{absent}", "--out", "{here}/run"),
    "official": ("import-official", "{absent}", "{here}/out"),
    "export": ("export", "{here}/x.onnx", "--checkpoint", "{absent}"),
}


@pytest.mark.parametrize("command", WRONG_PATHS.values(), ids=list(WRONG_PATHS))
def test_a_wrong_path_is_told_before_pytorch_is_imported(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    arguments = [each.format(absent=tmp_path / "absent", here=tmp_path) for each in command]
    code = (
        "import sys; from typer.testing import CliRunner; from d24fad_core.cli import app;"
        f"run = CliRunner().invoke(app, {arguments!r});"
        "assert run.exit_code == 2 and run.stderr.count('\\n') == 1, run.output;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("edge", [0.02, 200.0])
def test_voxels_of_no_scan_are_told_by_their_size(studies: Path, edge: float) -> None:
    values = nibabel.load(studies / "case.nii.gz").get_fdata(dtype=np.float32)
    nibabel.Nifti1Image(values, np.diag([edge, edge, edge, 1])).to_filename(studies / "case.nii.gz")
    run = detect(studies)
    assert run.exit_code == 2
    assert f"voxels of {edge:g} x {edge:g} x {edge:g} mm" in run.stderr
    assert "unit" in run.stderr and "modality" not in run.stderr


def test_a_stop_tells_what_had_been_written(studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert detect(studies, fake=FakeDetector(fault=KeyboardInterrupt())).stderr == (
        f"stopped; no result was written to {studies / 'out'}\n"
    )

    def stopped(*arguments: object, **options: object) -> None:
        write_result(*arguments, **options)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr("d24fad_core.cli.cases.case_analysis.write_result", stopped)
    run = detect(studies)
    assert run.exit_code == 130
    assert run.stderr == (
        "stopped; findings.csv, findings.nii.gz, heatmap.nii.gz, mask.nii.gz, overlay.png, "
        "report.html, report.json had been written to "
        f"{studies / 'out'}\n"
    )
