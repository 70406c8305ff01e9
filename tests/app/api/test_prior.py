"""An analysis with a prior, on the real server: the changes that the command line finds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import requests
from typer.testing import CliRunner

from d24fad_core.cli import app
from d24fad_core.volumes.volume import Volume
from tests.app.http_client import Api
from tests.app.window_server import window_server
from tests.change.patient import Lesion, Pose, scan_patient

pytestmark = [pytest.mark.server, pytest.mark.slow]

FOCUS, OLD = Lesion((10.0, -8.0, 6.0), 5.0), Lesion((-12.0, 14.0, -8.0), 6.0)
OPTIONS = {"prior": "prior", "brain": "none"}


def save(volume: Volume, path: Path) -> None:
    nib.save(nib.Nifti1Image(volume.array, volume.affine), path)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient at two times, three normals, and a CT."""
    folder = tmp_path_factory.mktemp("prior") / "studies"
    folder.mkdir()
    save(scan_patient(lesions=(FOCUS, OLD), seed=1), folder / "case.nii.gz")
    pose = Pose(3.0, shift=(3.0, -2.0, 4.0))
    save(scan_patient(lesions=(OLD,), pose=pose, seed=2), folder / "prior.nii.gz")
    for person in (1, 2, 3):
        save(scan_patient(person=person), folder / f"support-{person}.nii.gz")
    ct = np.full((30, 30, 30), -1000.0, np.float32)
    ct[8:22, 8:22, 8:22] = 40.0
    nib.save(nib.Nifti1Image(ct, np.diag([3.0, 3.0, 3.0, 1.0])), folder / "ct.nii.gz")
    return folder


@pytest.fixture(scope="module")
def api(studies: Path) -> Iterator[Api]:
    temporary = studies.parent / "temporary"
    temporary.mkdir()
    log = studies.parent / "server.log"
    with window_server(studies, log, environment={"TMPDIR": str(temporary)}) as running:
        yield Api(running.url)


@pytest.fixture(scope="module")
def result(api: Api) -> str:
    return api.analysed("case", options=OPTIONS)


def test_changes_are_those_of_the_command_line(
    api: Api, result: str, studies: Path, tmp_path: Path
) -> None:
    arguments = ["detect", studies / "case.nii.gz", "--prior", studies / "prior.nii.gz"]
    arguments += ["--brain", "none", "--no-html", "--json", "--out", tmp_path, "--no-cache"]
    for person in (1, 2, 3):
        arguments += ["--support", studies / f"support-{person}.nii.gz"]
    run = CliRunner().invoke(app, [str(each) for each in arguments])
    assert run.exit_code == 0, run.output
    expected = json.loads(run.stdout)
    report = api.get(f"/results/{result}/report")
    assert "new" in [each["kind"] for each in report["change"]["changes"]]
    assert report["change"] == expected["change"]
    assert report["findings"] == expected["findings"]
    assert report["warnings"] == expected["warnings"]
    assert api.get(f"/results/{result}")["options"]["prior"] == "prior"


def test_the_files_of_a_change_lie_on_the_image(
    api: Api, result: str, studies: Path, tmp_path: Path
) -> None:
    source = nib.load(studies / "case.nii.gz")
    (new,) = (
        each
        for each in api.get(f"/results/{result}/report")["change"]["changes"]
        if each["kind"] == "new"
    )
    peak = tuple(new["peak_voxel"])
    voxels: dict[str, Any] = {}
    for part in ("heatmap", "ranks", "prior"):
        answer = api.ask("GET", f"/results/{result}/change/{part}", 200)
        path = tmp_path / f"{part}.nii.gz"
        path.write_bytes(answer.content)
        image = nib.load(path)
        assert image.shape == source.shape
        np.testing.assert_allclose(image.affine, source.affine, atol=1e-4)
        voxels[part] = image.get_fdata()
    assert voxels["heatmap"][peak] == pytest.approx(new["peak_score"], abs=0.01)
    assert voxels["ranks"][peak] == new["rank"]
    # The new focus is bright in the study and was not there before.
    assert source.get_fdata()[peak] > voxels["prior"][peak] + 20
    picture = api.ask("GET", f"/results/{result}/change/picture", 200)
    assert picture.content.startswith(b"\x89PNG")


def test_a_prior_makes_another_result_that_is_found_again(api: Api, result: str) -> None:
    again = api.post("/jobs", {"image": "case", "options": OPTIONS}, 202)
    assert again["reused"] and again["result"] == result
    assert again["options"]["prior"] == "prior"
    without = api.analysed("case", options={"brain": "none"})
    assert without != result
    assert api.get(f"/results/{without}/report")["change"] is None
    assert "prior" not in api.get(f"/results/{without}")["options"]
    refusal = api.get(f"/results/{without}/change/heatmap", 409)
    assert refusal["error"]["code"] == "no_prior"
    # MONAI Label's own clients name it among the parameters.
    answer = requests.post(
        f"{api.url.removesuffix('/d24fad/v1')}/infer/anomaly?image=case&output=json",
        data={"params": json.dumps(OPTIONS)},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"] == result


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"image": "case", "options": {"prior": "nobody"}}, "unknown_image"),
        ({"image": "case", "options": {"prior": "case"}}, "prior_mismatch"),
        ({"image": "case", "options": {"prior": 7}}, "bad_request"),
        ({"image": "case", "options": {"prior": "../case"}}, "unknown_image"),
        ({"kind": "score", "options": {"prior": "prior"}}, "bad_request"),
    ],
)
def test_a_wrong_prior_is_refused_at_once(api: Api, request_: dict[str, Any], code: str) -> None:
    answer = requests.post(f"{api.url}/jobs", json=request_, timeout=120)
    assert answer.json()["error"]["code"] == code
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("prior", ["ct", "support-1"])
def test_a_prior_of_another_kind_or_patient_is_refused_or_warned_of(
    api: Api, prior: str, studies: Path
) -> None:
    job = api.finished(
        api.post("/jobs", {"image": "case", "options": {**OPTIONS, "prior": prior}}, 202)
    )
    if job["state"] == "failed":
        assert job["error"]["code"] == "prior_mismatch"
        assert prior in job["error"]["message"] and job["error"]["remedy"]
        assert str(studies.parent) not in json.dumps(job["error"])
    else:
        assert prior == "support-1"
        codes = [each["code"] for each in api.get(f"/results/{job['result']}")["warnings"]]
        assert "prior_unlike" in codes
