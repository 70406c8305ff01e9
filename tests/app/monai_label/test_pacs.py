"""A PACS: an MR and a CT series analysed, results stored and read back, faults told apart."""

import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel
import numpy as np
import pydicom
import pytest
import requests
from numpy.typing import NDArray

from monailabel_app.server_process import ServerProcess
from tests.app.http_client import Api
from tests.app.orthanc import Orthanc
from tests.app.pacs_series import MR_NAMES, complete
from tests.io.dicom.dicom_builder import write_series

pytestmark = [pytest.mark.server, pytest.mark.slow]


def ct_phantom(seed: int, nodule: bool = False) -> NDArray[np.int16]:
    """A body of soft tissue with two lungs, in HU, 48 x 40 x 24 voxels of 6 x 6 x 8 mm."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (48, 40, 24)), indexing="ij")
    scale = 1 + 0.03 * rng.standard_normal()
    values = np.full(x.shape, -1000.0)
    values[(x / 0.9) ** 2 + (y / 0.8) ** 2 < scale] = 40.0
    for side in (-0.42, 0.42):
        lung = ((x - side) / 0.3) ** 2 + (y / 0.5) ** 2 + (z / 1.2) ** 2 < scale
        values[lung] = -800.0
    if nodule:
        values[((x - 0.4) ** 2 + y**2 + z**2) < 0.02] = 60.0
    return (values + rng.normal(0, 12, values.shape)).astype(np.int16)


@pytest.fixture(scope="module")
def series(
    orthanc: Orthanc, mr_series: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Series instance UIDs by name, all of them in the PACS: heads and bodies."""
    folder = tmp_path_factory.mktemp("series")
    uids = dict(mr_series)
    straight = np.diag([6.0, 6.0, 8.0, 1.0])
    tilted = straight.copy()
    tilted[1, 2] = 2.0
    bodies = {f"ct-{number}": (ct_phantom(number, number == 2), straight) for number in range(3)}
    for name, (values, grid) in {**bodies, "tilted": (ct_phantom(5), tilted)}.items():
        write_series(folder / name, values, grid, modality="CT")
        uids[name] = complete(folder / name, name)
        orthanc.send(folder / name)
    return uids


@pytest.fixture(scope="module")
def server(series: dict[str, str], pacs_server: ServerProcess) -> ServerProcess:
    """The server, started when all series were in the PACS."""
    return pacs_server


@pytest.fixture
def api(server: ServerProcess) -> Api:
    return Api(server.url)


def analysed(api: Api, series: dict[str, str], name: str, support: tuple[str, ...]) -> str:
    return api.analysed(series[name], support=[series[each] for each in support])


def objects(orthanc: Orthanc, modality: str) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(BytesIO(content)) for content in orthanc.instances(modality)]


def test_the_series_of_both_modalities_are_listed(api: Api, series: dict[str, str]) -> None:
    listed = {entry["image"]: entry["title"] for entry in api.get("/images")["items"]}
    assert set(listed) == set(series.values())
    uid = series["ct-0"]
    assert listed[uid] == f"AX FLAIR, CT, 2026-01-02, 24 images, …{uid[-6:]}"
    assert "Secret" not in str(listed)
    assert api.get("/")["studies"] == {"kind": "dicomweb", "uploads": False}


def test_a_series_is_opened_as_nifti(
    api: Api, series: dict[str, str], cohort: Path, tmp_path: Path
) -> None:
    answer = api.ask("GET", f"/images/{series['lesion-001']}/file?format=nifti", 200)
    (tmp_path / "series.nii.gz").write_bytes(answer.content)
    copy = nibabel.as_closest_canonical(nibabel.load(tmp_path / "series.nii.gz"))
    source = nibabel.load(cohort / "studies" / "lesion-001.nii.gz")
    image = nibabel.as_closest_canonical(source)
    np.testing.assert_allclose(copy.affine, image.affine, atol=1e-3)
    assert np.array_equal(copy.get_fdata(), image.get_fdata().astype(np.int16))


@pytest.mark.parametrize(
    ("name", "support"),
    [("lesion-001", MR_NAMES[:3]), ("ct-2", ("ct-0", "ct-1"))],
    ids=["MR", "CT"],
)
def test_results_are_stored_in_the_pacs_and_read_back(
    api: Api,
    orthanc: Orthanc,
    series: dict[str, str],
    tmp_path: Path,
    name: str,
    support: tuple[str, ...],
) -> None:
    result = analysed(api, series, name, support)
    report = api.get(f"/results/{result}/report")
    items = {item["kind"]: item for item in api.post(f"/results/{result}/dicom", {})["items"]}
    assert set(items) == {"segmentation", "parametric_map", "report"}

    uid = items["segmentation"]["sop_instance_uid"]
    (segmentation,) = [o for o in objects(orthanc, "SEG") if o.SOPInstanceUID == uid]
    assert segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == series[name]
    assert len(segmentation.SegmentSequence) == max(len(report["findings"]), 1)
    mask_file = tmp_path / "mask.nii.gz"
    mask_file.write_bytes(api.ask("GET", f"/results/{result}/mask", 200).content)
    marked = np.count_nonzero(np.asarray(nibabel.load(mask_file).dataobj))
    assert np.count_nonzero(segmentation.pixel_array) == marked

    uid = items["report"]["sop_instance_uid"]
    (structured,) = [o for o in objects(orthanc, "SR") if o.SOPInstanceUID == uid]
    content = hd.sr.ComprehensiveSR.from_dataset(structured).content
    assert len(content.get_volumetric_roi_measurement_groups()) == len(report["findings"])

    uid = items["parametric_map"]["sop_instance_uid"]
    maps = objects(orthanc, "OT") + objects(orthanc, "MR") + objects(orthanc, "CT")
    (heatmap,) = [o for o in maps if o.SOPInstanceUID == uid]
    (shared,) = heatmap.SharedFunctionalGroupsSequence
    slope = float(shared.RealWorldValueMappingSequence[0].RealWorldValueSlope)
    scores = np.frombuffer(heatmap.FloatPixelData, "<f4") * slope
    if report["findings"]:
        assert scores.max() == pytest.approx(report["findings"][0]["peak_score"], abs=0.01)
    for kind in items:
        content = api.ask("GET", f"/results/{result}/dicom/{kind}", 200).content
        path = tmp_path / f"{kind}.dcm"
        path.write_bytes(content)
        if shutil.which("dciodvfy"):
            verdict = subprocess.run(
                ["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False
            )
            assert [e for e in verdict.stderr.splitlines() if e.startswith("Error")] == []


def final_of(api: Api, result: str, reviewer: str) -> dict[str, Any]:
    """What to send for the final label of the review as it is now."""
    version = api.get(f"/results/{result}/review")["version"]
    return {"reviewer": reviewer, "expected_version": version}


def test_a_normal_study_reviewed_gives_an_empty_segmentation(
    api: Api, orthanc: Orthanc, series: dict[str, str]
) -> None:
    result = api.analysed(
        series["support-003"],
        support=[series["support-001"], series["support-002"]],
        options={"threshold": 1000.0},
    )
    assert api.get(f"/results/{result}/report")["findings"] == []
    final = api.put(f"/results/{result}/review/final", json=final_of(api, result, "AB"))
    assert final["pacs"]["stored"] is True, final["pacs"]
    uid = final["pacs"]["sop_instance_uid"]
    (segmentation,) = [o for o in objects(orthanc, "SEG") if o.SOPInstanceUID == uid]
    assert segmentation.SegmentSequence[0].SegmentLabel == "Reviewed, no finding"
    assert not segmentation.pixel_array.any()
    assert [item["kind"] for item in final["pacs"]["items"]] == ["segmentation", "report"]
    assert final["pacs"]["items"][0]["sop_instance_uid"] == uid


def test_a_final_label_is_stored_with_a_report(
    api: Api, orthanc: Orthanc, series: dict[str, str]
) -> None:
    result = analysed(api, series, "lesion-001", MR_NAMES[:3])
    findings = api.get(f"/results/{result}/report")["findings"]
    assert findings
    for finding in findings:
        action = "accept" if finding["rank"] == 1 else "reject"
        event = {"action": action, "finding": finding["rank"], "reviewer": "AB"}
        api.post(f"/results/{result}/review/events", event)
    answer = api.put(f"/results/{result}/review/final", json=final_of(api, result, "Dr Müller"))
    assert answer["pacs"]["stored"] is True, answer["pacs"]
    named = {item["kind"]: item for item in answer["pacs"]["items"]}
    datasets = {
        kind: {str(o.SOPInstanceUID): o for o in objects(orthanc, modality)}
        for kind, modality in (("segmentation", "SEG"), ("report", "SR"))
    }
    objects_of_kind = {
        kind: datasets[kind][item["sop_instance_uid"]] for kind, item in named.items()
    }
    for kind, item in named.items():
        assert str(objects_of_kind[kind].SeriesInstanceUID) == item["series_instance_uid"]
    assert "Dr Müller^" in [
        str(item.PersonName)
        for item in objects_of_kind["report"].ContentSequence
        if "PersonName" in item
    ]
    content = hd.sr.ComprehensiveSR.from_dataset(objects_of_kind["report"]).content
    (group,) = content.get_volumetric_roi_measurement_groups()
    assert group.tracking_uid == objects_of_kind["segmentation"].SegmentSequence[0].TrackingUID
    values = {m.name.meaning: m.value for m in group.get_measurements()}
    assert values["Volume"] == pytest.approx(findings[0]["volume_ml"], rel=1e-3)
    assert values["Peak anomaly score"] == pytest.approx(findings[0]["peak_score"], abs=0.01)


def test_the_stock_route_gives_a_segmentation_for_a_normal_study_too(
    server: ServerProcess, series: dict[str, str]
) -> None:
    support = f"{series['support-001']},{series['support-002']}"
    answer = requests.post(
        f"{server.url}/infer/anomaly",
        params={"image": series["support-003"], "output": "dicom_seg"},
        data={"params": f'{{"support": "{support}", "threshold": 1000}}'},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    assert pydicom.dcmread(BytesIO(answer.content)).Modality == "SEG"


def test_a_tilted_gantry_and_mixed_modalities_are_refused(api: Api, series: dict[str, str]) -> None:
    support = [series["ct-0"], series["ct-1"]]
    job = api.post("/jobs", {"image": series["tilted"], "support": support}, 202)
    error = api.finished(job)["error"]
    assert error["code"] == "unreadable_image"
    assert "gantry was tilted" in error["message"]
    mixed = api.post("/jobs", {"image": series["lesion-001"], "support": support}, 202)
    assert api.finished(mixed)["error"]["code"] == "support_mismatch"


def test_the_proxy_reaches_studies_and_nothing_else(
    server: ServerProcess, series: dict[str, str]
) -> None:
    uid = series["ct-0"]
    answer = requests.get(
        f"{server.url}/proxy/dicom/qido/series", params={"SeriesInstanceUID": uid}, timeout=30
    )
    assert answer.status_code == 200
    assert [s["0020000E"]["Value"][0] for s in answer.json()] == [uid]
    for path in (
        "..%2Fsystem",
        "..%2F..%2Fsystem",
        "wado/..%2Fsystem",
        "studies/../../system",
        "%252e%252e%252fsystem",
        "instances/../../tools/find",
    ):
        refusal = requests.get(f"{server.url}/proxy/dicom/{path}", timeout=120)
        assert refusal.status_code in (400, 404), path
        assert "ApiVersion" not in refusal.text


def test_uploads_are_refused_and_no_patient_is_in_the_log(api: Api, server: ServerProcess) -> None:
    api.put(f"/uploads/{'0' * 64}", 409, data=b"x")
    log = server.log.read_text()
    assert "Secret" not in log
    assert "PatientID" not in log


def test_a_pacs_that_went_away_is_told_and_nothing_is_lost(
    api: Api, orthanc: Orthanc, series: dict[str, str]
) -> None:
    result = analysed(api, series, "lesion-001", MR_NAMES[:3])
    orthanc.stop()
    error = api.post(f"/results/{result}/dicom", {}, 502)["error"]
    assert error["code"] == "pacs_unreachable"
    for finding in api.get(f"/results/{result}/review")["findings"]:
        event = {"action": "accept", "finding": finding["finding"], "reviewer": "AB"}
        api.post(f"/results/{result}/review/events", event)
    final = api.put(f"/results/{result}/review/final", json=final_of(api, result, "AB"))
    assert final["state"] == "reviewed"
    assert final["pacs"]["stored"] is False
    assert final["pacs"]["error"]["code"] == "pacs_unreachable"
    api.ask("GET", f"/results/{result}/review/final", 200)
