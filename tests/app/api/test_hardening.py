"""The stock server's holes, tried on the real server."""

import gzip
import hashlib
import json
import re
import time
import uuid
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.api.forked_server import ForkedServer

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def mask_file(tmp_path: Path) -> Path:
    path = tmp_path / "mask.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 5, 5), np.uint8), np.eye(4)), path)
    return path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/reload", 403),
        ("POST", "/infer/wsi_v2/anomaly?image=/etc/passwd", 403),
        ("GET", "/datastore/image?image=nobody", 404),
        ("GET", "/datastore/image?image=%2Fetc%2Fpasswd", 400),
        ("GET", "/datastore/label?label=nobody&tag=final", 404),
        ("DELETE", "/datastore/image?id=nobody", 404),
        ("DELETE", "/datastore/label?id=nobody&tag=../x", 400),
        ("PUT", "/model/anomaly", 403),
        ("GET", "/model/anomaly", 404),
        ("GET", "/proxy/dicom/..%2Fsystem", 403),
        ("GET", "/proxy/dicom/wado/studies", 403),
        ("POST", "/train/nothing", 404),
        ("POST", "/batch/infer/nothing", 404),
        ("POST", "/scoring/nothing", 404),
        ("POST", "/activelearning/nothing", 400),
        ("GET", "/logs/gpu", 403),
        ("GET", "/datastore/dataset", 404),
        ("GET", "/session/nothing", 403),
        ("GET", "/no/such/route", 404),
        ("PATCH", "/info/", 405),
    ],
)
def test_a_bad_request_gets_json_and_the_server_lives_on(
    server: ForkedServer, method: str, path: str, status: int
) -> None:
    answer = requests.request(method, server.url + path, timeout=120)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert requests.get(f"{server.url}/info/", timeout=120).status_code == 200


def test_a_thousand_requests_leave_nothing_open(server: ForkedServer) -> None:
    paths = ("/d24fad/v1/images", "/d24fad/v1/status", "/info/", "/d24fad/v1/results/nothing")

    def open_files() -> int:
        return len(list(Path(f"/proc/{server.process_id}/fd").iterdir()))

    def ask(count: int) -> None:
        for number in range(count):
            path = paths[number % len(paths)]
            # Each by a connection of its own.
            answer = requests.get(server.url + path, timeout=60)
            assert answer.status_code == (404 if path.endswith("nothing") else 200), answer.text

    ask(20)
    before = open_files()
    ask(1000)
    # A connection is closed by the server a moment after its answer.
    end = time.monotonic() + 60
    while open_files() > before + 5 and time.monotonic() < end:
        time.sleep(0.1)
    assert open_files() <= before + 5


def test_the_pages_and_the_list_of_routes(server: ForkedServer) -> None:
    for page in ("/", "/docs", "/docs/", "/logs/"):
        answer = requests.get(server.url + page, timeout=120)
        assert answer.headers["content-type"].startswith("text/html")
        for part in re.findall(r"(?:src|href)=\"([^\"]+)\"", answer.text):
            assert not re.match(r"[a-z]+:|//", part), (page, part)
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Research use only" in requests.get(server.url, timeout=120).text
    document = requests.get(f"{server.url}/openapi.json", timeout=120).json()
    paths = document["paths"]
    assert "/d24fad/v1/images" in paths and "/infer/{model}" in paths
    closed = ("/session/", "/session/{session_id}", "/logs/gpu", "/infer/wsi_v2/{model}")
    assert not set(closed) & set(paths)
    assert set(paths["/model/{model}"]) == {"get"}
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    sent = requests.put(f"{server.url}/session/", files={"files": ("x", b"x")}, timeout=120)
    assert sent.status_code == 403


def test_a_label_cannot_be_written_outside(
    server: ForkedServer, mask_file: Path, tmp_path: Path
) -> None:
    name = f"d24fad-out-{uuid.uuid4()}"
    for query in (f"tag=../../../../tmp/{name}", "tag=..%2F..%2Fout"):
        with mask_file.open("rb") as stream:
            answer = requests.put(
                f"{server.url}/datastore/label?image=normal-001&{query}",
                files={"label": ("mask.nii.gz", stream)},
                timeout=120,
            )
        assert answer.status_code == 400
    assert not Path("/tmp", name).exists()


def test_a_label_is_saved_and_garbage_is_not(server: ForkedServer, mask_file: Path) -> None:
    def put(name: str, content: bytes, **query: str) -> requests.Response:
        return requests.put(
            f"{server.url}/datastore/label",
            params={"image": "normal-001", "tag": "reader2", **query},
            files={"label": (name, content)},
            timeout=120,
        )

    assert put("mask.nii.gz", b"garbage").status_code == 422
    assert put("mask.exe", mask_file.read_bytes()).status_code == 422
    assert put("mask.nii.gz", mask_file.read_bytes(), image="nobody").status_code == 404
    assert put("mask.nii.gz", mask_file.read_bytes()).json() == {
        "image": "normal-001",
        "label": "normal-001",
    }
    label = requests.get(f"{server.url}/datastore/label?label=normal-001&tag=reader2", timeout=120)
    assert label.content == mask_file.read_bytes()


def test_an_image_sent_by_the_stock_route_must_be_readable_and_new(server: ForkedServer) -> None:
    def put(image: str, content: bytes) -> requests.Response:
        return requests.put(
            f"{server.url}/datastore/image",
            params={"image": image},
            files={"file": ("scan.nii.gz", content)},
            timeout=120,
        )

    assert put("new", b"garbage").status_code == 422
    assert put("normal-001", b"garbage").status_code == 409
    assert put("../new", b"garbage").status_code == 400


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    route=st.sampled_from(
        [
            "/d24fad/v1/images/{}",
            "/d24fad/v1/uploads/{}",
            "/d24fad/v1/support-sets/{}",
            "/d24fad/v1/support-sets/{}/studies",
            "/d24fad/v1/jobs/{}",
            "/d24fad/v1/jobs?state={}",
            "/d24fad/v1/results/{}/mask",
            "/d24fad/v1/results/{}/review",
            "/d24fad/v1/results/{}/matches",
            "/d24fad/v1/checkpoints/{}",
            "/d24fad/v1/reviews/export?image={}",
            "/d24fad/v1/results/{}/review/events",
            "/d24fad/v1/results/{}/review/final",
            "/d24fad/v1/results?image={}",
            "/d24fad/v1/next?strategy={}",
            "/d24fad/v1/calibration/threshold?false_positive_rate={}",
            "/datastore/label?label={}&tag=final",
            "/infer/{}?image=normal-001",
            "/train/{}",
        ]
    ),
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["..", "%2e%2e", "../../x", "nan", "inf", "-1", "1e999", "0" * 64]),
    document=st.none()
    | st.dictionaries(
        st.sampled_from(["image", "support", "name", "action", "finding", "options", "reviewer"]),
        st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
        max_size=4,
    ),
)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_nothing_a_client_sends_gets_a_5xx(
    server: ForkedServer, method: str, route: str, value: str, document: object
) -> None:
    quoted = requests.utils.quote(value, safe="")
    answer = requests.request(method, server.url + route.format(quoted), json=document, timeout=120)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert error["code"] and error["message"]


@given(
    document=st.fixed_dictionaries(
        {},
        optional={
            "kind": st.sampled_from(["detect", "quality", "score", "train", "other", 3]),
            "image": st.none() | st.text(max_size=5) | st.just("normal-001"),
            "images": st.none() | st.lists(st.text(max_size=3), max_size=2),
            "support_set": st.none() | st.sampled_from(["default", "..", "x" * 65]),
            "hash": st.text(max_size=70),
            "options": st.dictionaries(
                st.sampled_from(
                    ["planes", "threshold", "epochs", "steps", "learning_rate", "seed", "ct_window"]
                ),
                st.none()
                | st.booleans()
                | st.integers()
                | st.floats()
                | st.text(max_size=4)
                | st.lists(st.integers(), max_size=1),
                max_size=2,
            ),
        },
    ),
    route=st.sampled_from(
        ["POST /d24fad/v1/jobs", "PUT /d24fad/v1/checkpoints/served", "POST /train/anomaly"]
    ),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_request_for_work_gets_a_5xx(
    server: ForkedServer, route: str, document: dict[str, object]
) -> None:
    method, path = route.split()
    text = json.dumps(document)  # NaN and infinity too, which some clients write
    answer = requests.request(
        method,
        server.url + path,
        data=text,
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code < 500, answer.text
    if answer.status_code == 202:
        job = answer.json()
        requests.delete(f"{server.url}/d24fad/v1/jobs/{job['id']}", timeout=60)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_a_small_file_that_unpacks_to_more_than_memory_is_refused(
    server: ForkedServer, tmp_path: Path, ending: str
) -> None:
    """Refused by its header: nothing is unpacked."""
    side = 1100
    if ending == ".nii.gz":
        header = nibabel.Nifti1Header()
        header.set_data_dtype(np.uint8)
        header.set_data_shape((side, side, side))
        header["vox_offset"] = 352
        content = gzip.compress(header.binaryblock + bytes(4) + bytes(1 << 20)) + bytes(1 << 20)
    else:
        head = (
            f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {side} {side} {side}\nencoding: gzip\n\n"
        )
        content = head.encode() + gzip.compress(bytes(1 << 20))
    digest = hashlib.sha256(content).hexdigest()
    answer = requests.put(
        f"{server.url}/d24fad/v1/uploads/{digest}?name=bomb{ending}", data=content, timeout=60
    )
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "unsuitable_image", answer.text
    assert "1100 x 1100 x 1100" in answer.json()["error"]["message"]
