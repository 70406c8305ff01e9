"""A radiologist's way through the review API, on the real server."""

import csv
import gzip
import hashlib
import io
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import requests
import SimpleITK

from d24fad_core import RESEARCH_USE_ONLY
from tests.app.api.forked_server import ForkedServer, forked_server
from tests.app.http_client import Api
from tests.app.window_server import window_server

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def own(studies: Path, tmp_path: Path) -> Iterator[Api]:
    """Of a server whose studies no other test changes."""
    with forked_server(studies, tmp_path / "server.log") as running:
        yield Api(running.url)


@pytest.fixture
def api(server: ForkedServer) -> Api:
    return Api(server.url)


def read(content: bytes, folder: Path) -> Any:
    # nibabel reads the voxels later, so each file keeps its own name.
    path = folder / f"{hashlib.sha256(content).hexdigest()}.nii.gz"
    path.write_bytes(content)
    return nibabel.load(path)


def test_the_server_says_what_it_is(api: Api) -> None:
    about = api.get("/")
    assert about["api_version"] == 1
    assert about["notice"] == RESEARCH_USE_ONLY
    assert about["models"] == {"mask": "anomaly", "heatmap": "anomaly_heatmap"}
    assert len(about["checkpoint"]["hash"]) == 64
    assert about["studies"]["uploads"] is True


def test_a_job_reports_and_its_result_is_found_again(api: Api) -> None:
    request = {"image": "lesion-001"}
    answer = api.ask("POST", "/jobs", 202, json=request)
    job = answer.json()
    assert answer.headers["location"] == job["links"]["self"]
    assert len(job["support"]) == 4
    fractions = [job["fraction"]]
    while job["finished"] is None:
        job = api.get(f"/jobs/{job['id']}?wait=10&after={job['version']}")
        fractions.append(job["fraction"])
    assert job["state"] == "done"
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0

    again = api.post("/jobs", request, 202)
    assert again["state"] == "done"
    assert again["reused"] is True
    assert again["result"] == job["result"]
    assert job["result"] in [r["id"] for r in api.get("/results?image=lesion-001")["items"]]
    labels = api.get("/images/lesion-001")["labels"]
    assert labels == ["heatmap", "original"]
    info = requests.get(f"{api.url.removesuffix('/d24fad/v1')}/info/", timeout=120).json()
    assert info["datastore"]["completed"] == 0


def test_the_files_of_a_result_lie_on_the_image(api: Api, cohort: Path, tmp_path: Path) -> None:
    result = api.analysed("lesion-001")
    report = api.get(f"/results/{result}/report")
    assert report["notice"] == RESEARCH_USE_ONLY
    source = nibabel.load(cohort / "studies" / "lesion-001.nii.gz")
    sizes, peaks = {}, {}
    for encoding in ("uint8", "int16", "float32"):
        answer = api.ask("GET", f"/results/{result}/heatmap?encoding={encoding}", 200)
        assert answer.headers["etag"] == f'"{result}"'
        image = read(answer.content, tmp_path)
        assert image.get_data_dtype() == np.dtype(encoding)
        np.testing.assert_allclose(image.affine, source.affine, atol=1e-4)
        sizes[encoding], peaks[encoding] = len(answer.content), float(image.get_fdata().max())
    assert sizes["uint8"] < sizes["int16"] < sizes["float32"]
    span = peaks["float32"] + 10
    assert peaks["uint8"] == pytest.approx(peaks["float32"], abs=span / 200)

    mask = read(api.ask("GET", f"/results/{result}/mask", 200).content, tmp_path).get_fdata()
    ranks = read(
        api.ask("GET", f"/results/{result}/mask?labels=findings", 200).content, tmp_path
    ).get_fdata()
    assert set(np.unique(ranks)) == set(range(len(report["findings"]) + 1))
    assert np.array_equal(ranks > 0, mask > 0)
    picture = api.ask("GET", f"/results/{result}/overlay", 200)
    assert picture.content.startswith(b"\x89PNG")
    api.get("/results/nothing", 404)


def test_bad_jobs_are_refused_at_once(api: Api) -> None:
    for request, code in (
        ({"image": "nobody"}, "unknown_image"),
        ({"image": "lesion-001", "support_set": "nothing"}, "unknown_support_set"),
        ({"image": "lesion-001", "support": ["support-001"]}, "too_few_supports"),
        ({"image": "lesion-001", "options": {"planes": ["diagonal"]}}, "bad_request"),
        ({"image": 7}, "bad_request"),
        ({}, "bad_request"),
        ({"kind": "dance"}, "bad_request"),
    ):
        answer = requests.post(f"{api.url}/jobs", json=request, timeout=120)
        assert answer.json()["error"]["code"] == code
        assert 400 <= answer.status_code < 500
    job = api.finished(api.post("/jobs", {"image": "garbage"}, 202))
    assert job["state"] == "failed"
    assert job["error"]["code"] == "unreadable_image"


def test_a_running_job_can_be_cancelled(api: Api) -> None:
    planes = ["axial", "coronal", "sagittal"]
    # Several: while this client is slow, one or another may come to its end.
    *jobs, behind = (
        api.post("/jobs", {"image": "lesion-002", "options": {**options, "threshold": t}}, 202)
        for options, t in (*(({"planes": planes}, 3.5 + n / 100) for n in range(6)), ({}, 3.6))
    )
    assert behind["queue_position"] >= 1
    assert api.ask("DELETE", f"/jobs/{behind['id']}", 200).json()["state"] == "cancelled"
    states = []
    for job in jobs:
        while states[-1:] != ["cancelled"] and job["state"] == "queued":
            job = api.get(f"/jobs/{job['id']}?wait=1&after={job['version']}")
        api.ask("DELETE", f"/jobs/{job['id']}", 200)
        ended = api.finished(api.get(f"/jobs/{job['id']}"))
        states.append(ended["state"])
        assert (ended["result"] is None) == (ended["state"] == "cancelled")
    assert "cancelled" in states
    api.get("/jobs/nothing", 404)


def test_an_image_is_sent_once(own: Api, cohort: Path, studies: Path) -> None:
    original = (cohort / "studies" / "normal-001.nii.gz").read_bytes()
    content = gzip.compress(gzip.decompress(original), 3, mtime=1)
    sha256 = hashlib.sha256(content).hexdigest()
    own.get(f"/uploads/{sha256}", 404)
    sent = own.put(f"/uploads/{sha256}?name=sent.nii.gz", 201, data=content)
    assert sent == {"image": "sent", "sha256": sha256, "bytes": len(content)}
    assert own.ask("HEAD", f"/uploads/{sha256}", 200).content == b""
    assert own.put(f"/uploads/{sha256}", 200, data=content)["image"] == "sent"
    # An image that was there before is known by its content too.
    known = hashlib.sha256(original).hexdigest()
    assert own.get(f"/uploads/{known}?bytes={len(original)}")["image"] == "normal-001"

    other = gzip.compress(gzip.decompress(original), 4, mtime=2)
    other_hash = hashlib.sha256(other).hexdigest()
    own.put(f"/uploads/{other_hash}?name=sent.nii.gz", 409, data=other)
    own.put(f"/uploads/{other_hash}?name=../x.nii.gz", 400, data=other)
    own.put(f"/uploads/{other_hash}?name=x.exe", 400, data=other)
    own.put(f"/uploads/{'0' * 64}?name=x.nii.gz", 422, data=other)
    own.put("/uploads/xyz", 400, data=other)
    garbage = hashlib.sha256(b"garbage").hexdigest()
    own.put(f"/uploads/{garbage}", 422, data=b"garbage")
    assert sorted(p.name for p in studies.glob("*.nii.gz") if "support" not in p.name) == [
        "lesion-001.nii.gz",
        "lesion-002.nii.gz",
        "normal-001.nii.gz",
        "sent.nii.gz",
    ]
    assert list(studies.glob(".partial-*")) == []


def test_a_client_that_reads_nifti_only_opens_any_image(
    own: Api, studies: Path, tmp_path: Path
) -> None:
    source = studies / "lesion-001.nii.gz"
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(source)), str(tmp_path / "sent.nrrd"))
    content = (tmp_path / "sent.nrrd").read_bytes()
    own.put(f"/uploads/{hashlib.sha256(content).hexdigest()}?name=sent.nrrd", 201, data=content)

    assert own.ask("GET", "/images/sent/file", 200).content == content
    answer = own.ask("GET", "/images/sent/file?format=nifti", 200)
    assert 'filename="sent.nii.gz"' in answer.headers["content-disposition"]
    copy, image = read(answer.content, tmp_path), nibabel.load(source)
    np.testing.assert_allclose(copy.affine, image.affine, atol=1e-4)
    np.testing.assert_allclose(copy.get_fdata(), image.get_fdata(), rtol=1e-5)
    for query in ("", "?format=nifti"):
        file = own.ask("GET", f"/images/lesion-001/file{query}", 200)
        assert file.content == source.read_bytes()
    own.get("/images/sent/file?format=png", 400)
    own.get("/images/nobody/file?format=nifti", 404)


def test_a_support_set_is_checked_used_and_grows(own: Api, studies: Path) -> None:
    shutil.copy(studies / "lesion-001.nii.gz", studies / "ill.nii.gz")
    created = own.post(
        "/support-sets",
        {"name": "brain", "studies": ["support-001", "support-002", "support-003"]},
    )
    assert created["quality"]["state"] == "checking"
    own.finished(own.get(f"/jobs/{created['quality']['job']}"))
    checked = own.get("/support-sets/brain")
    assert checked["quality"]["state"] == "checked"
    assert checked["modality"] == "MR"
    assert checked["usable"] is True
    for study in checked["studies"]:
        assert study["quality"]["leave_one_out_score"] > 0
        assert {c["name"] for c in study["quality"]["checks"]} == {
            "modality",
            "geometry",
            "outlier",
            "contamination",
        }
    before = own.analysed("lesion-002", support_set="brain")

    own.post("/support-sets", {"name": "brain"}, 409)
    own.post("/support-sets", {"name": "Brain set"}, 400)
    own.post("/support-sets", {"name": "x", "studies": ["nobody"]}, 404)
    own.post("/support-sets/brain/studies", {"image": "nobody"}, 404)

    grown = own.post(
        "/support-sets/brain/studies",
        {"image": "normal-001", "reviewer": "AB", "confirmed_normal": True, "rescore": True},
    )
    assert [s["image"] for s in grown["studies"]][-1] == "normal-001"
    assert grown["hash"] != checked["hash"]
    jobs = own.get("/jobs")["items"]
    scoring = next(job for job in jobs if job["kind"] == "score")
    assert scoring["images"] == ["lesion-002", "support-001", "support-002", "support-003"]
    assert own.finished(scoring)["state"] == "done"
    assert own.get("/images/lesion-002?support_set=brain")["result"] != before
    normal = own.get("/images/normal-001")
    assert normal["confirmed_normal"] is True
    assert normal["support_sets"] == ["brain"]

    shrunk = own.ask("DELETE", "/support-sets/brain/studies/normal-001", 200).json()
    assert shrunk["hash"] == checked["hash"]
    described = own.ask("PATCH", "/support-sets/brain", 200, json={"title": "Brain"}).json()
    assert described["title"] == "Brain"
    own.ask("DELETE", "/support-sets/brain", 204)
    own.get("/support-sets/brain", 404)
    assert [s["name"] for s in own.get("/support-sets")["items"]] == ["default"]


def test_a_review_from_the_first_finding_to_the_final_label(
    own: Api, studies: Path, tmp_path: Path
) -> None:
    result = own.analysed("lesion-001")
    findings = own.get(f"/results/{result}/report")["findings"]
    address = f"/results/{result}/review"
    assert own.get(address)["state"] == "unreviewed"
    first = own.post(
        f"{address}/events",
        {"action": "accept", "finding": 1, "reviewer": "AB", "note": "=enhancing"},
    )
    assert first["findings"][0]["state"] == "accepted"
    late = requests.post(
        f"{own.url}{address}/events",
        json={"action": "reject", "finding": 1, "reviewer": "CD", "expected_version": 0},
        timeout=120,
    )
    assert late.status_code == 409
    assert late.json()["review"]["version"] == 1
    own.post(f"{address}/events", {"action": "accept", "finding": 1}, 400)
    for finding in findings[1:]:
        seen = own.get(address)["version"]
        own.put(f"{address}/final", 409, json={"reviewer": "AB", "expected_version": seen})
        own.post(
            f"{address}/events",
            {"action": "reject", "finding": finding["rank"], "reviewer": "AB"},
        )

    source = nibabel.load(studies / "lesion-001.nii.gz")
    drawn = np.zeros(source.shape, np.uint8)
    drawn[1:3, 1:3, 1:3] = 1
    nibabel.save(nibabel.Nifti1Image(drawn, source.affine), tmp_path / "drawn.nii.gz")
    content = (tmp_path / "drawn.nii.gz").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    missing = {"action": "add", "reviewer": "AB", "mask": sha256}
    own.post(f"{address}/events", missing, 404)
    own.put(f"{address}/masks/{sha256}", 201, data=content)
    added = own.post(f"{address}/events", missing)
    assert added["findings"][-1]["state"] == "added"
    nibabel.save(nibabel.Nifti1Image(drawn[1:], source.affine), tmp_path / "other.nii.gz")
    other = (tmp_path / "other.nii.gz").read_bytes()
    own.put(f"{address}/masks/{hashlib.sha256(other).hexdigest()}", 422, data=other)

    own.put(f"{address}/final", 400, json={"reviewer": "AB"})
    seen = own.get(address)["version"]
    closed = own.put(f"{address}/final", json={"reviewer": "AB", "expected_version": seen})
    assert closed["state"] == "reviewed"
    final = read(own.ask("GET", f"{address}/final", 200).content, tmp_path)
    np.testing.assert_allclose(final.affine, source.affine, atol=1e-4)
    ranks = read(own.ask("GET", f"/results/{result}/mask?labels=findings", 200).content, tmp_path)
    assert np.array_equal(final.get_fdata() > 0, (ranks.get_fdata() == 1) | (drawn > 0))
    assert (studies / "labels" / "final" / "lesion-001.nii.gz").is_file()

    rows = list(csv.DictReader(io.StringIO(own.ask("GET", "/reviews/export?format=csv", 200).text)))
    assert len(rows) == len(findings) + 1
    assert rows[0]["finding_state"] == "accepted"
    assert rows[0]["note"] == "'=enhancing"  # no spreadsheet takes it for a formula
    assert float(rows[0]["volume_ml"]) == pytest.approx(findings[0]["volume_ml"], abs=1e-3)
    (exported,) = own.get("/reviews/export")["items"]
    assert exported["version"] == closed["version"]
    own.ask("DELETE", f"/results/{result}", 409)
    assert own.get("/images?state=reviewed")["items"][0]["image"] == "lesion-001"


def test_a_normal_study_has_an_empty_final_label_and_calibrates(own: Api, tmp_path: Path) -> None:
    result = own.analysed("normal-001")
    address = f"/results/{result}/review"
    for finding in own.get(address)["findings"]:
        own.post(
            f"{address}/events",
            {"action": "reject", "finding": finding["finding"], "reviewer": "AB"},
        )
    own.put(f"{address}/final", 400, json={"reviewer": "AB"})
    seen = own.get(address)["version"]
    closed = own.put(f"{address}/final", json={"reviewer": "AB", "expected_version": seen})
    assert closed["confirmed_normal"] is True
    final = read(own.ask("GET", f"{address}/final", 200).content, tmp_path)
    assert not final.get_fdata().any()

    calibration = own.get("/calibration")
    assert calibration["normal_patients"] == 1
    assert calibration["normals"][0]["image"] == "normal-001"
    refusal = own.get("/calibration/threshold?false_positive_rate=0.05", 409)
    assert "needs 19 normal patients" in refusal["error"]["message"]
    assert own.get("/calibration/threshold?false_positive_rate=0.5")["threshold"] > 0
    assert own.get("/calibration/p-value?score=1000")["p_value"] == 0.5
    own.get("/calibration/threshold?false_positive_rate=0", 400)


def test_the_next_case_is_the_most_anomalous(own: Api) -> None:
    unscored = own.get("/next")
    assert unscored["remaining"] == 3
    job = own.post("/jobs", {"kind": "score"}, 202)
    assert own.finished(job)["state"] == "done"
    scores = {
        entry["image"]: entry["case_score"]
        for entry in own.get("/images")["items"]
        if not entry["support_sets"]
    }
    case = own.get("/next")
    assert case["image"] == max(scores, key=lambda image: scores[image])
    second = own.get("/next", params={"exclude": case["image"]})
    assert second["image"] != case["image"]
    stock = requests.post(
        f"{own.url.removesuffix('/d24fad/v1')}/activelearning/most_anomalous", json={}, timeout=30
    )
    assert stock.json()["id"] == case["image"]
    own.get("/next?strategy=nothing", 400)
    for image in scores:
        own.post("/support-sets/default/studies", {"image": image, "confirmed_normal": True})
    assert own.get("/next", 404)["error"]["code"] == "nothing_left"


def test_a_killed_server_loses_nothing(studies: Path, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    first = window_server(studies, log)
    first.start()
    try:
        api = Api(first.url)
        result = api.analysed("lesion-001")
        api.post(f"/results/{result}/review/events", {"action": "note", "reviewer": "AB"})
        api.post("/support-sets", {"name": "kept", "studies": ["support-001", "support-002"]})
        planes = ["axial", "coronal", "sagittal"]
        job = api.post("/jobs", {"image": "lesion-002", "options": {"planes": planes}}, 202)
        waiting = api.post("/jobs", {"image": "normal-001"}, 202)
    finally:
        first.stop(signal.SIGKILL)
    (studies / ".d24fad" / "results" / ".partial-x").mkdir()

    with window_server(studies, tmp_path / "second.log") as second:
        api = Api(second.url)
        assert api.get(f"/results/{result}/review")["version"] == 1
        assert len(api.get("/support-sets/kept")["studies"]) == 2
        assert api.finished(api.get(f"/jobs/{job['id']}"))["state"] == "done"
        assert api.finished(api.get(f"/jobs/{waiting['id']}"))["state"] == "done"
        assert api.post("/jobs", {"image": "lesion-001"}, 202)["reused"] is True
    assert not list((studies / ".d24fad").rglob(".partial-*"))
