"""What clients may not take away or get past, tried on the real server."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import sleep
from urllib.parse import urlsplit

import nibabel
import numpy as np
import pytest
import requests

from d24fad_core.files import hash_file
from monailabel_app.server_process import ServerProcess
from tests.app.http_client import Api
from tests.app.window_server import window_server

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def studies(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("protected") / "studies"
    shutil.copytree(cohort / "studies", folder)
    return folder


@pytest.fixture(scope="module")
def running(studies: Path) -> Iterator[ServerProcess]:
    with window_server(studies, studies.parent / "server.log") as server:
        yield server


@pytest.fixture
def api(running: ServerProcess) -> Api:
    return Api(running.url)


def upload(api: Api, source: Path, name: str, level: int) -> str:
    content = gzip.compress(gzip.decompress(source.read_bytes()), level, mtime=level)
    digest = hashlib.sha256(content).hexdigest()
    return str(api.put(f"/uploads/{digest}?name={name}.nii.gz", 201, data=content)["image"])


def delete(server: ServerProcess, image: str, route: str = "/datastore/image") -> str:
    answer = requests.delete(f"{server.url}{route}", params={"id": image}, timeout=60)
    return "" if answer.ok else str(answer.json()["error"]["code"])


def test_support_sets_and_misspelt_options_are_refused_by_name(api: Api, cohort: Path) -> None:
    before = api.get("/support-sets/default")["studies"]
    assert len(before) == 4
    api.post("/support-sets", {"name": "default"}, 409)
    upload(api, cohort / "studies" / "lesion-001.nii.gz", "support-of-mine", 2)
    assert api.get("/support-sets/default")["studies"] == before
    for options, word in (({"plane": ["coronal"]}, "'plane'"), ({"treshold": 1}, "'treshold'")):
        job = {"image": "lesion-001", "options": options}
        assert word in api.post("/jobs", job, 400)["error"]["message"]
        assert (
            word
            in api.post("/jobs", {"kind": "train", "options": options}, 400)["error"]["message"]
        )
    job = {"image": "lesion-001", "suport": ["support-001", "support-002"]}
    assert "suport" in api.post("/jobs", job, 400)["error"]["message"]


def test_of_two_clients_that_send_one_name_the_second_is_refused(
    running: ServerProcess, api: Api, cohort: Path, studies: Path
) -> None:
    """It replaced the scan of the first, who reviewed another patient's."""
    source = cohort / "studies" / "normal-001.nii.gz"
    first, second = (
        gzip.compress(gzip.decompress(source.read_bytes()), 5, mtime=time) for time in (1, 2)
    )
    address = urlsplit(running.url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=120)
    digest = hashlib.sha256(first).hexdigest()
    connection.putrequest("PUT", f"/d24fad/v1/uploads/{digest}?name=both.nii.gz")
    connection.putheader("Content-Length", str(len(first)))
    connection.endheaders(first[:1000])
    while not list(studies.glob(".partial-*")):  # what came is being written
        sleep(0.05)
    other = hashlib.sha256(second).hexdigest()
    api.put(f"/uploads/{other}?name=both.nii.gz", 409, data=second)
    stock = requests.put(
        f"{running.url}/datastore/image",
        params={"image": "both"},
        files={"file": ("scan.nii.gz", second)},
        timeout=120,
    )
    assert stock.status_code == 409
    connection.send(first[1000:])
    assert connection.getresponse().status == 201
    assert hash_file(studies / "both.nii.gz") == digest
    assert delete(running, "both") == ""


def test_only_what_a_client_sent_and_nobody_relies_on_can_be_removed(
    api: Api, running: ServerProcess, cohort: Path
) -> None:
    studies = cohort / "studies"
    for route in ("/datastore/", "/datastore/image"):
        assert delete(running, "support-001", route) == "in_use"
        assert delete(running, "normal-001", route) == "read_only"
        assert delete(running, "nobody", route) == "unknown_image"
    for number, name in enumerate(("member", "reviewed", "free"), start=3):
        upload(api, studies / "lesion-002.nii.gz", name, number)
    api.post("/support-sets", {"name": "own", "studies": ["member", "support-002"]})
    result = api.analysed("reviewed")
    api.post(f"/results/{result}/review/events", {"action": "note", "reviewer": "AB"})
    assert delete(running, "member") == "in_use"
    assert delete(running, "reviewed") == "in_use"
    assert delete(running, "free") == ""
    images = [entry["image"] for entry in api.get("/images")["items"]]
    assert "free" not in images
    assert {"member", "reviewed", "support-001", "normal-001"} <= set(images)


def test_a_final_label_of_the_stock_route_is_whole_on_the_grid_and_in_the_log(
    api: Api, running: ServerProcess, cohort: Path, tmp_path: Path
) -> None:
    source = nibabel.load(cohort / "studies" / "lesion-001.nii.gz")

    def put(voxels: np.ndarray, cut: int = 0, **query: str) -> requests.Response:
        path = tmp_path / "label.nii.gz"
        nibabel.save(nibabel.Nifti1Image(voxels, source.affine), path)
        content = path.read_bytes()
        return requests.put(
            f"{running.url}/datastore/label",
            params={"image": "lesion-001", **query},
            data={"params": json.dumps({"label_info": [{"name": "anomaly", "idx": 1}]})},
            files={"label": ("label.nii.gz", content[: len(content) - cut])},
            timeout=60,
        )

    drawn = np.zeros(source.shape, np.uint8)
    drawn[3:5, 3:5, 3:5] = 1
    refusal = put(drawn, tag="final")
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (404, "unknown_result")
    result = api.analysed("lesion-001")
    for tag in ({"tag": "final"}, {}):
        for bad, cut in (
            (np.repeat(drawn[..., None], 2, axis=3), 0),
            (drawn[1:], 0),
            (drawn * 2, 0),
            (drawn.astype(np.float32) * 0.3, 0),
            (drawn, 4),
        ):
            assert put(bad, cut, **tag).status_code == 422
    assert api.get(f"/results/{result}/review")["version"] == 0
    assert put(drawn, tag="final").status_code == 200
    review = api.get(f"/results/{result}/review")
    assert (review["state"], review["confirmed_normal"]) == ("reviewed", False)
    assert review["events"][-1]["action"] == "final"
    file = requests.get(
        f"{running.url}/datastore/label", params={"label": "lesion-001", "tag": "final"}, timeout=60
    )
    (tmp_path / "stored.nii.gz").write_bytes(file.content)
    image = nibabel.load(tmp_path / "stored.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), drawn)
    gone = requests.delete(
        f"{running.url}/datastore/label", params={"id": "lesion-001", "tag": "final"}, timeout=60
    )
    assert gone.json()["error"]["code"] == "in_use"


def test_a_case_with_an_accepted_finding_is_not_confirmed_as_normal(api: Api) -> None:
    result = api.analysed("lesion-002", options={"threshold": 2.0})
    accept = {"action": "accept", "finding": 1, "reviewer": "AB"}
    api.post(f"/results/{result}/review/events", accept)
    normal = {"image": "lesion-002", "reviewer": "AB", "confirmed_normal": True}
    api.post("/support-sets", {"name": "normals"})
    refusal = api.post("/support-sets/normals/studies", normal, 409)
    assert refusal["error"]["code"] == "findings_accepted"
    assert api.get("/support-sets/normals")["studies"] == []
    assert api.get("/images/lesion-002")["confirmed_normal"] is False
