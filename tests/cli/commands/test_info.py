import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner, Result

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli import app
from d24fad_core.models.checkpoint import WEIGHTS_FILE, ModelCard
from d24fad_core.networks.d24fad import NetworkConfig


def info(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        app, ["info", *map(str, arguments)], env={"COLUMNS": "120", "TERM": "dumb"}
    )


def rows_of(run: Result) -> dict[str, str]:
    """The named values; the first of those that share a name."""
    rows: dict[str, str] = {}
    for line in run.stdout.splitlines():
        name, _, value = line.strip().partition("  ")
        rows.setdefault(name, value.strip())
    return rows


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    card = ModelCard(
        name="knees",
        network=NetworkConfig(),
        image_size=160,
        training={"data": ["simulated FLAIR, CC0"], "steps": 400},
        metrics={"simulated": {"voxel_auroc": 0.95}},
        licence="CC-BY-4.0",
        weights_hash="a" * 64,
    )
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps(card.to_dict()))
    return folder


@pytest.mark.parametrize("named", [".", "card.json", "model.safetensors"])
def test_the_card_of_a_model_is_shown_whole(checkpoint: Path, named: str) -> None:
    run = info(checkpoint / named)
    assert run.exit_code == 0, run.output
    assert run.stdout.startswith("knees\n")
    rows = rows_of(run)
    assert rows["licence"] == "CC-BY-4.0"
    assert rows["image size"] == "160"
    assert rows["teacher"] == "efficientnet_lite0"
    assert rows["data"] == '["simulated FLAIR, CC0"]'
    assert rows["voxel auroc"] == "0.95"
    assert rows["weights hash"] == "a" * 64
    assert RESEARCH_USE_ONLY in run.stdout


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"card_version": "7"}'])
def test_a_damaged_card_is_told_in_one_line(checkpoint: Path, content: str) -> None:
    (checkpoint / "card.json").write_text(content)
    run = info(checkpoint)
    assert run.exit_code == 2
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1


def test_the_geometry_of_a_study_is_shown(studies: Path) -> None:
    run = info(studies / "case.nii.gz")
    assert run.exit_code == 0, run.output
    rows = rows_of(run)
    assert rows["voxels"] == "24 x 26 x 12"
    assert rows["voxel size"] == "2 x 2 x 3 mm"
    assert rows["axes of the file"] == "RAS"
    assert rows["modality"].startswith("MR (guessed")
    assert rows["foreground"] == "36 mm right-left, 40 mm front-back, 30 mm bottom-top"
    assert rows["axial slices"] == "12 of 3 mm, along axis 2"
    assert rows["sagittal slices"] == "24 of 2 mm, along axis 0"
    assert RESEARCH_USE_ONLY in run.stdout


def test_a_turned_study_is_told_with_its_own_axes(tmp_path: Path) -> None:
    image = np.zeros((20, 30, 12), np.float32)
    image[2:18, 3:27, 2:10] = 50.0
    image[8:12, 10:20, 4:8] = 90.0
    affine = np.eye(4)
    # The file's axes run left to right, front to back and bottom to top, turned by 12 degrees.
    turn = Rotation.from_euler("x", 12, degrees=True).as_matrix()
    affine[:3, :3] = turn @ np.diag([1.0, -2.0, 4.0])
    nib.save(
        nib.Nifti1Image(image[:, :, ::-1].transpose(2, 0, 1), affine @ _cycle()), tmp_path / "x.nii"
    )

    rows = rows_of(info(tmp_path / "x.nii"))
    assert rows["axes of the file"] == "SRP, turned by 12.0 degrees"
    assert rows["coronal slices"] == "30 of 2 mm, along axis 2"
    assert rows["axial slices"] == "12 of 4 mm, along axis 0"


def _cycle() -> np.ndarray:
    """From indices (k, i, j) to (i, j, k)."""
    return np.array([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])


def test_the_windows_of_a_ct_are_shown(tmp_path: Path) -> None:
    image = np.full((24, 24, 12), -1000.0, np.float32)
    image[4:20, 4:20, 2:10] = 40
    nib.save(nib.Nifti1Image(image, np.diag([10.0, 10, 20, 1])), tmp_path / "ct.nii")
    run = info(tmp_path / "ct.nii")
    assert rows_of(run)["modality"].startswith("CT (guessed")
    assert "-1350 to 150 HU (--window lung)" in run.stdout
    info_run = info(tmp_path / "ct.nii", "--modality", "mr")
    assert rows_of(info_run)["modality"] == "MR (as given)"


def test_what_does_not_exist_is_told_in_one_line(tmp_path: Path) -> None:
    run = info(tmp_path / "nothing")
    assert run.exit_code == 2
    assert run.stderr == f"error: {tmp_path}/nothing: no such file or folder; check the path.\n"


def test_weights_that_the_card_does_not_describe_are_refused(
    untrained: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(untrained, tmp_path / "model"))
    assert info(folder).exit_code == 0
    content = bytearray((folder / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(bytes(content))
    run = info(folder)
    assert run.exit_code == 2 and run.stdout == ""
    assert "SHA-256 differs" in run.stderr
    (folder / WEIGHTS_FILE).unlink()
    run = info(folder)
    assert run.exit_code == 0
    assert run.stderr == f"warning: {folder} has a model card but no {WEIGHTS_FILE}; copy both.\n"


def test_a_study_too_large_to_be_held_is_told_reduced(
    studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d24fad_core.cli.commands.info.LARGEST_WHOLE_SCAN", 7000)
    rows = rows_of(info(studies / "case.nii.gz"))
    assert rows["voxels"] == "24 x 26 x 12, averaged to 8 x 13 x 6 and so told below"
