"""`d24fad bids` on simulated heads: its files, their validity, and a second run."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest
from typer.testing import CliRunner, Result

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.bids.group import COLUMNS
from d24fad_core.cli.application import app
from d24fad_core.simulation import Role
from tests.bids.dataset_of_heads import write_dataset, write_head

RESULTS = {
    "heatmap.nii.gz",
    "heatmap.json",
    "mask.nii.gz",
    "mask.json",
    "dseg.nii.gz",
    "dseg.json",
    "dseg.tsv",
    "overlay.png",
    "report.json",
    "report.html",
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients in two sessions, the third from another scanner, and three controls."""
    root = tmp_path_factory.mktemp("bids") / "raw"
    patients, controls = ("p1", "p2", "p3"), ("c1", "c2", "c3")
    write_dataset(
        root, {**dict.fromkeys(patients, "patient"), **dict.fromkeys(controls, "control")}
    )
    for number, label in enumerate(patients):
        other: dict[str, Any] = {"ManufacturersModelName": "Old"} if label == "p3" else {}
        for session, role in (("1", Role.NORMAL), ("2", Role.LESION)):
            write_head(root, f"sub-{label}_ses-{session}_T1w", role, number, **other)
    for number, label in enumerate(controls):
        write_head(root, f"sub-{label}_ses-1_T1w", Role.SUPPORT, number)
    return root


def run(raw: Path, out: Path, level: str, checkpoint: Path, *more: str) -> Result:
    arguments = ["bids", str(raw), str(out), level]
    if level == "participant":
        arguments += ["--checkpoint", str(checkpoint), "--normals", "group=control", *more]
    return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def derivative(raw: Path, untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "d24fad"
    first = run(raw, out, "participant", untrained)
    assert first.exit_code == 0, first.output
    assert "6 scans analysed, 0 not, 0 done before" in first.output
    assert RESEARCH_USE_ONLY in first.output
    group = run(raw, out, "group", untrained)
    assert group.exit_code == 0, group.output
    return out


def state(folder: Path) -> dict[str, tuple[int, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


@pytest.mark.slow
def test_results_are_named_by_the_standard(raw: Path, derivative: Path) -> None:
    for label in ("p1", "p2", "p3"):
        for session in ("1", "2"):
            stem = f"sub-{label}_ses-{session}"
            folder = derivative / f"sub-{label}" / f"ses-{session}" / "anat"
            assert {path.name for path in folder.iterdir()} == {
                f"{stem}_desc-anomaly_{name}" for name in RESULTS
            }
            source = nib.load(raw / f"sub-{label}/ses-{session}/anat/{stem}_T1w.nii.gz")
            assert nib.load(folder / f"{stem}_desc-anomaly_mask.nii.gz").shape == source.shape
            page = (folder / f"{stem}_desc-anomaly_report.html").read_text(encoding="utf-8")
            assert 'id="normal-0"' in page
            report = json.loads((folder / f"{stem}_desc-anomaly_report.json").read_text())
            rows = read_table(folder / f"{stem}_desc-anomaly_dseg.tsv")
            assert [int(row["index"]) for row in rows] == [
                finding["rank"] for finding in report["findings"]
            ]
    assert not list(derivative.glob("sub-c*"))
    description = json.loads((derivative / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert (derivative / description["DatasetLinks"]["raw"]).resolve() == raw.resolve()


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.mark.slow
def test_the_group_table_equals_the_reports(derivative: Path) -> None:
    table = derivative / "group_desc-anomaly_scans.tsv"
    rows = read_table(table)
    assert len(rows) == 6
    for row in rows:
        stem = f"{row['participant_id']}_{row['session_id']}"
        folder = derivative / row["participant_id"] / row["session_id"] / "anat"
        report = json.loads((folder / f"{stem}_desc-anomaly_report.json").read_text())
        calibration, findings = report["calibration"], report["findings"]
        assert float(row["case_score"]) == report["case_score"]
        assert float(row["p_value"]) == calibration["p_value"]
        assert int(row["normal_patients"]) == calibration["normal_patients"] == 3
        assert float(row["threshold"]) == calibration["threshold"]
        assert int(row["findings"]) == len(findings)
        assert float(row["volume_ml"]) == sum(each["volume_ml"] for each in findings)
        peak = row["peak_z"]
        assert peak == "n/a" if not findings else float(peak) == findings[0]["peak_score"]
        codes = [] if row["warnings"] == "n/a" else row["warnings"].split(",")
        assert codes == [warning["code"] for warning in report["warnings"]]
        assert ("other_scanner" in codes) == (row["participant_id"] == "sub-p3")
        assert row["notice"] == RESEARCH_USE_ONLY
    dictionary = json.loads(table.with_suffix(".json").read_text())
    assert list(rows[0]) == list(dictionary) == list(COLUMNS)


@pytest.mark.slow
def test_a_second_run_does_nothing(raw: Path, derivative: Path, untrained: Path) -> None:
    before = state(derivative)
    again = run(raw, derivative, "participant", untrained)
    assert again.exit_code == 0, again.output
    assert "0 scans analysed, 0 not, 6 done before" in again.output
    assert run(raw, derivative, "group", untrained).exit_code == 0
    assert state(derivative) == before
    other = run(raw, derivative, "participant", untrained, "--plane", "coronal")
    assert (other.exit_code, state(derivative)) == (2, before)
    assert "another model, support or options" in other.output


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_what_cannot_be_read_is_named(
    raw: Path, derivative: Path, untrained: Path, tmp_path: Path
) -> None:
    copy, out = tmp_path / "raw", tmp_path / "derivatives" / "d24fad"
    shutil.copytree(raw, copy)
    shutil.copytree(derivative, out)
    for session in ("1", "2"):
        stem = f"sub-p1_ses-{session}"
        (out / f"sub-p1/ses-{session}/anat/{stem}_desc-anomaly_report.json").unlink()
    (copy / "sub-p1/ses-2/anat/sub-p1_ses-2_T1w.nii.gz").write_bytes(b"junk")
    some = ["--participant-label", "p1", "sub-p2"]
    again = run(copy, out, "participant", untrained, *some)
    assert again.exit_code == 2
    assert "1 scans analysed, 1 not, 2 done before" in again.output
    assert "not analysed: sub-p1/ses-2/anat/sub-p1_ses-2_T1w.nii.gz" in again.output


@pytest.mark.slow
@pytest.mark.parametrize("what", ["input", "derivative"])
def test_the_bids_validator_finds_no_error(raw: Path, derivative: Path, what: str) -> None:
    validator = Path(sys.executable).parent / "bids-validator-deno"
    if not validator.exists():
        pytest.skip("bids-validator-deno is not installed (pip install '.[test]')")
    folder = raw if what == "input" else derivative
    # Without a network: the schema is in the program.
    judged = subprocess.run(
        [validator, folder, "--json"], capture_output=True, text=True, timeout=300
    )
    issues = json.loads(judged.stdout)["issues"]["issues"]
    errors = [issue for issue in issues if issue["severity"] == "error"]
    assert errors == []
    assert judged.returncode == 0, judged.stderr


def test_what_is_missing_is_asked_for(tmp_path: Path, untrained: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    write_dataset(raw, {"01": "control"})
    none = CliRunner().invoke(app, ["bids", str(raw), str(out), "participant"])
    assert none.exit_code == 2
    assert "participant_id, group" in none.output
    empty = CliRunner().invoke(app, ["bids", str(raw), str(out), "group"])
    assert (empty.exit_code, "run the level participant first" in empty.output) == (2, True)
    strange = run(raw, out, "participant", untrained, "--filter", "acq")
    assert "ENTITY=VALUE" in strange.output
    sessions = run(raw, out, "participant", untrained, "--filter", "ses=1")
    assert "--session-label 1" in sessions.output
    assert not out.exists()


def test_the_folder_of_another_dataset_is_left_alone(tmp_path: Path, untrained: Path) -> None:
    raw = tmp_path / "raw"
    write_dataset(raw, dict.fromkeys(("01", "02", "03"), "control"))
    for number, label in enumerate(("01", "02", "03")):
        write_head(raw, f"sub-{label}_T1w", Role.SUPPORT, number)
    before = state(raw)
    arguments = ["bids", raw, raw, "participant", "--normals", "01", "02"]
    arguments += ["--checkpoint", untrained]
    mixed = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert mixed.exit_code == 2
    assert "holds another dataset" in mixed.output
    assert state(raw) == before


@pytest.mark.slow
def test_brains_in_mr_are_compared_by_the_learned_comparison(raw: Path, tmp_path: Path) -> None:
    arguments = ["bids", raw, tmp_path / "out", "participant", "--normals", "group=control"]
    more = ["--participant-label", "p1", "--session-label", "1", "--no-html"]
    finished = CliRunner().invoke(app, [*map(str, arguments), *more])
    assert finished.exit_code == 0, finished.output
    (path,) = (tmp_path / "out").rglob("*_report.json")
    parameters = json.loads(path.read_text())["provenance"]["parameters"]
    assert parameters["comparison"] == "learned"
    assert parameters["comparison_reason"] == "all normals are brains in MR"
    # What was begun with one comparison does not go on with another.
    other = CliRunner().invoke(app, [*map(str, arguments), *more, "--comparison", "window"])
    assert other.exit_code == 2
    assert "another model, support or options" in other.output
