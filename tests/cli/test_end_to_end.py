"""The command line as a newcomer uses it: simulate a cohort, analyse its cases, look at the files.

Everything is real here, the shipped checkpoint included.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import nibabel as nib
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from d24fad_core.cli import app
from d24fad_core.export import REPORT_SCHEMA
from d24fad_core.io.reading import read_volume
from d24fad_core.volumes.volume import Plane

pytestmark = pytest.mark.slow

SHARED = Path(__file__).parents[3] / "shared" / "volumes"


WINDOW = ("--comparison", "window")
"""The comparison that takes the least time."""


def run(*arguments: str | Path) -> str:
    """Run a command; returns what it wrote on stdout."""
    finished = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert finished.exit_code == 0, finished.output
    return finished.stdout


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    run("simulate", folder, "--support", 4, "--normals", 0, "--lesions", 1, "--spacing", 2, 2, 4)
    return folder


def detect_lesion(cohort: Path, out: Path) -> Path:
    """Analyse the case with a cache that all of its analyses share."""
    case = cohort / "cases" / "lesion-001.nii.gz"
    support, cache = cohort / "support", cohort / "cache"
    run("detect", case, "--support", support, "--out", out, "--cache", cache, *WINDOW)
    return out


@pytest.fixture(scope="module")
def first_run(cohort: Path) -> Path:
    """The results of the first analysis, which fills the cache."""
    return detect_lesion(cohort, cohort / "out")


def test_the_lesion_of_a_case_scores_higher_than_the_rest_of_the_brain(
    cohort: Path, first_run: Path
) -> None:
    case, out = cohort / "cases" / "lesion-001.nii.gz", first_run

    jsonschema.validate(json.loads((out / "report.json").read_text()), REPORT_SCHEMA)
    source, heatmap = nib.load(case), nib.load(out / "heatmap.nii.gz")
    assert heatmap.shape == source.shape
    np.testing.assert_allclose(heatmap.affine, source.affine, atol=1e-4)
    lesion = nib.load(cohort / "masks" / "lesion-001.nii.gz").get_fdata() > 0
    brain = source.get_fdata() > 50
    assert roc_auc_score(lesion[brain], heatmap.get_fdata()[brain]) > 0.85


def test_a_second_run_gives_the_same_scores_from_the_cache(cohort: Path, first_run: Path) -> None:
    assert any((cohort / "cache").rglob("*"))
    second = detect_lesion(cohort, cohort / "second")
    assert (second / "heatmap.nii.gz").read_bytes() == (first_run / "heatmap.nii.gz").read_bytes()


def test_interrupting_writes_nothing_and_says_so(cohort: Path) -> None:
    cache = cohort / "interrupted-cache"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "d24fad_core", "detect"),
            *(cohort / "cases" / "lesion-001.nii.gz", "--support", cohort / "support"),
            *("--out", cohort / "interrupted", "--cache", cache),
            *("--plane", "axial", "--plane", "coronal", "--plane", "sagittal"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    # The first features in the cache: 1 of 12 support stacks is done.
    while process.poll() is None and not any(cache.glob("*")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == f"stopped; no result was written to {cohort / 'interrupted'}\n"
    assert not (cohort / "interrupted").exists()


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real volumes in ../shared")
@pytest.mark.parametrize(
    "image",
    ["ms_patient07/flair.nii.gz", "brain1/brain1_image.nrrd", "lung1/lung1_image.nrrd"],
)
def test_real_studies_run_in_each_plane(tmp_path: Path, image: str) -> None:
    study = read_volume(SHARED / image)
    # No normal patients of this kind are at hand; noisy copies on a coarser grid run the same way.
    normals = tmp_path / "normals"
    normals.mkdir()
    for number in (1, 2):
        noise = np.random.default_rng(number).normal(0, study.array.std() / 20, study.shape)
        coarse = (study.array + noise)[::3, ::3, :: 3 if study.shape[2] > 100 else 1]
        steps = np.array(study.shape) // np.array(coarse.shape)
        normal = nib.Nifti1Image(coarse.astype(np.float32), study.affine @ np.diag([*steps, 1]))
        nib.save(normal, normals / f"normal-{number}.nii")

    run(
        *("detect", SHARED / image, "--support", normals, "--out", tmp_path / "out"),
        *(word for plane in Plane for word in ("--plane", plane.value)),
        *("--modality", study.modality.value, "--no-cache", *WINDOW),
    )
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["provenance"]["parameters"]["planes"] == "axial, coronal, sagittal"
    for name in ("heatmap", "mask"):
        output_image = nib.load(tmp_path / "out" / f"{name}.nii.gz")
        assert output_image.shape == study.shape
        np.testing.assert_allclose(output_image.affine, study.affine, atol=1e-4)
