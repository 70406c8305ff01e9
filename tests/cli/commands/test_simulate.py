from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli import app
from d24fad_core.io.reading import find_studies, read_volume
from d24fad_core.volumes.volume import Modality


def simulate(out: Path, *options: str) -> Result:
    counts = ["--support", "1", "--normals", "1", "--lesions", "1"]
    spacing = ["--spacing", "4", "4", "6"]
    return CliRunner().invoke(app, ["simulate", str(out), *counts, *spacing, *options])


def test_writes_studies_that_can_be_read(tmp_path: Path) -> None:
    run = simulate(tmp_path, "--contrast", "t2", "--seed", "3")
    assert run.exit_code == 0, run.stderr
    assert "1 support studies, 1 normal cases, 1 cases with lesions (T2, synthetic)" in run.stdout
    assert RESEARCH_USE_ONLY in run.stdout
    for folder, number in (("support", 1), ("cases", 2), ("masks", 1)):
        studies = find_studies(tmp_path / folder)
        assert len(studies) == number
        for study in studies:
            volume = read_volume(study)
            assert volume.spacing == (4, 4, 6)
            assert volume.modality is Modality.MR


def test_repeating_goes_on_and_another_seed_is_refused(tmp_path: Path) -> None:
    assert simulate(tmp_path).exit_code == 0
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")}
    assert simulate(tmp_path).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")} == times
    refusal = simulate(tmp_path, "--seed", "1")
    assert refusal.exit_code == 2
    assert "holds another cohort" in refusal.stderr
    assert len(refusal.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--contrast", "CT"], "CT"),
        (["--lesions", "-1"], "greater than or equal to 0"),
        (["--spacing", "0", "1", "1"], "between 0.5 and 10 mm"),
    ],
)
def test_options_out_of_range(tmp_path: Path, options: list[str], message: str) -> None:
    run = simulate(tmp_path / "out", *options)
    assert run.exit_code == 2
    assert message in run.stderr
    assert not (tmp_path / "out").exists()
