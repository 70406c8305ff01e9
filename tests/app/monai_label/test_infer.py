"""MONAI Label's own routes on the real server, asked by MONAI Label's own client."""

import json
import threading
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests
import SimpleITK
from monailabel.client import MONAILabelClient

from d24fad_core import RESEARCH_USE_ONLY
from tests.app.api.forked_server import ForkedServer

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def client(server: ForkedServer, tmp_path: Path) -> MONAILabelClient:
    return MONAILabelClient(server.url, str(tmp_path))


def infer(
    server: ForkedServer, model: str, image: str, params: object = None, **query: str
) -> requests.Response:
    return requests.post(
        f"{server.url}/infer/{model}",
        params={"image": image, **query},
        data={"params": params if isinstance(params, str) else json.dumps(params or {})},
        timeout=120,
    )


def test_info_offers_the_mask_to_user_interfaces_and_hides_the_heatmap(
    client: MONAILabelClient,
) -> None:
    info = client.info()
    assert info["models"]["anomaly"]["type"] == "segmentation"
    assert info["models"]["anomaly"]["labels"] == {"findings": 1}
    assert info["models"]["anomaly_heatmap"]["type"] == "others"
    assert RESEARCH_USE_ONLY in info["description"]


def test_mask_and_heatmap_lie_on_the_source_and_agree(
    client: MONAILabelClient, cohort: Path
) -> None:
    source = nibabel.load(cohort / "studies" / "lesion-001.nii.gz")
    mask_file, mask_answer = client.infer("anomaly", "lesion-001", {})
    mask = nibabel.load(mask_file)
    heatmap_file, heatmap_answer = client.infer("anomaly_heatmap", "lesion-001", {})
    heatmap = nibabel.load(heatmap_file)

    for image in (mask, heatmap):
        assert image.shape == source.shape
        np.testing.assert_allclose(image.affine, source.affine, atol=1e-4)
    assert mask.get_data_dtype() == np.uint8
    assert heatmap.get_data_dtype() == np.float32
    marked = np.asarray(mask.dataobj) == 1
    scores = np.asarray(heatmap.dataobj)
    assert marked.any()
    threshold = mask_answer["calibration"]["threshold"]
    assert scores[marked].min() >= threshold - 0.01
    assert scores.max() == pytest.approx(mask_answer["findings"][0]["peak_score"], abs=0.01)
    assert mask_answer["result"] == heatmap_answer["result"]
    assert mask_answer["heatmap_model"] == "anomaly_heatmap"


def test_the_answer_says_what_was_found_with_what(client: MONAILabelClient) -> None:
    _, answer = client.infer("anomaly", "lesion-001", {"support": ["support-001", "support-003"]})
    supports = answer["provenance"]["supports"]
    assert [use["name"] for use in supports] == ["support-001", "support-003"]
    assert sum(use["share"] for use in supports) == pytest.approx(1.0, abs=1e-3)
    assert len(answer["slice_scores"]) > 1
    assert answer["case_score"] > 0
    assert answer["notice"] == RESEARCH_USE_ONLY


def test_a_learned_comparison_is_a_result_of_its_own(client: MONAILabelClient) -> None:
    _, window = client.infer("anomaly", "lesion-001", {})
    _, learned = client.infer("anomaly", "lesion-001", {"comparison": "learned"})
    assert learned["provenance"]["parameters"]["comparison"] == "learned"
    assert learned["result"] != window["result"]
    _, again = client.infer("anomaly", "lesion-001", {"comparison": "window"})
    assert again["result"] == window["result"]


def test_the_second_model_uses_what_the_first_computed(server: ForkedServer) -> None:
    parameters = {"planes": "coronal"}
    first = infer(server, "anomaly", "lesion-002", parameters, output="json").json()
    second = infer(server, "anomaly_heatmap", "lesion-002", parameters, output="json").json()
    other = infer(server, "anomaly", "lesion-002", {"planes": ["axial"]}, output="json").json()
    # `created` is when the analysis was done: the same analysis has the same one.
    assert second["result"] == first["result"]
    assert second["created"] == first["created"]
    assert other["result"] != first["result"]


def test_the_heatmap_stays_float_under_the_parameters_of_the_slicer_client(
    server: ForkedServer, tmp_path: Path
) -> None:
    answer = infer(
        server,
        "anomaly_heatmap",
        "lesion-001",
        {"result_extension": ".nrrd", "result_dtype": "uint8"},
        output="image",
    )
    assert answer.headers["content-disposition"].endswith('.nii.gz"')
    (tmp_path / "heatmap.nii.gz").write_bytes(answer.content)
    assert nibabel.load(tmp_path / "heatmap.nii.gz").get_data_dtype() == np.float32


def test_the_mask_comes_as_uncompressed_nrrd_for_ohif(
    server: ForkedServer, tmp_path: Path, cohort: Path
) -> None:
    answer = infer(server, "anomaly", "lesion-001", {"result_extension": ".nrrd"}, output="image")
    path = tmp_path / "mask.nrrd"
    path.write_bytes(answer.content)
    assert b"encoding: raw" in path.read_bytes()[:1000]
    mask = SimpleITK.ReadImage(str(path))
    source = SimpleITK.ReadImage(str(cohort / "studies" / "lesion-001.nii.gz"))
    assert mask.GetPixelID() == SimpleITK.sitkUInt8
    np.testing.assert_allclose(mask.GetOrigin(), source.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(mask.GetDirection(), source.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(mask.GetSpacing(), source.GetSpacing(), atol=1e-6)


def test_an_image_sent_with_the_request_is_analysed_and_not_kept(
    server: ForkedServer, cohort: Path
) -> None:
    with (cohort / "studies" / "lesion-001.nii.gz").open("rb") as stream:
        answer = requests.post(
            f"{server.url}/infer/anomaly",
            params={"output": "json"},
            files={"file": ("scan.nii.gz", stream)},
            timeout=120,
        )
    assert answer.status_code == 200
    assert answer.json()["findings"]
    assert requests.get(f"{server.url}/info/", timeout=120).json()["datastore"]["total"] == 11


def test_saving_the_labels_does_not_make_the_case_count_as_labelled(
    server: ForkedServer,
) -> None:
    for model in ("anomaly", "anomaly_heatmap"):
        assert infer(server, model, "normal-001", {"save_label": True}).status_code == 200
    status = requests.get(f"{server.url}/info/", timeout=120).json()["datastore"]
    assert status["completed"] == 0
    assert status["label_tags"]["original"] == 1
    assert status["label_tags"]["heatmap"] == 1


BAD_REQUESTS = [
    ("nothing", "lesion-001", {}, 404, "unknown_model"),
    ("anomaly", "nobody", {}, 404, "unknown_image"),
    ("anomaly", "/etc/passwd", {}, 400, "bad_identifier"),
    ("anomaly", "../studies/lesion-001", {}, 400, "bad_identifier"),
    ("anomaly", "", {}, 400, "bad_request"),
    ("anomaly", "lesion-001", "{not json", 400, "bad_request"),
    ("anomaly", "lesion-001", "[1, 2]", 400, "bad_request"),
    ("anomaly", "lesion-001", {"support": ["support-001"]}, 422, "too_few_supports"),
    ("anomaly", "lesion-001", {"support": "support-001,nobody"}, 404, "unknown_image"),
    ("anomaly", "lesion-001", {"support": ["support-001"] * 2}, 400, "bad_request"),
    ("anomaly", "lesion-001", {"support": [1, 2]}, 400, "bad_request"),
    ("anomaly", "lesion-001", {"support": ["lesion-001", "support-001"]}, 422, "support_mismatch"),
    ("anomaly", "lesion-001", {"support": ["support-001", "ct"]}, 422, "support_mismatch"),
    ("anomaly", "ct", {}, 422, "support_mismatch"),
    ("anomaly", "garbage", {}, 422, "unreadable_image"),
    ("anomaly", "slice", {}, 422, "unreadable_image"),
    ("anomaly", "flat", {}, 422, None),
    ("anomaly", "lesion-001", {"support_set": "nothing"}, 404, "unknown_support_set"),
    ("anomaly", "lesion-001", {"support_set": "../x"}, 404, "unknown_support_set"),
    ("anomaly", "lesion-001", {"planes": "diagonal"}, 400, "bad_request"),
    ("anomaly", "lesion-001", {"threshold": "high"}, 400, "bad_request"),
    ("anomaly", "lesion-001", {"threshold": -1}, 400, "bad_request"),
    ("anomaly", "lesion-001", {"result_extension": "/../../x"}, 400, "bad_request"),
    ("anomaly", "lesion-001", {"result_extension": ".exe"}, 400, "bad_request"),
]


@pytest.mark.parametrize(("model", "image", "params", "status", "code"), BAD_REQUESTS)
def test_a_bad_request_gets_a_clear_4xx(
    server: ForkedServer, model: str, image: str, params: object, status: int, code: str | None
) -> None:
    answer = infer(server, model, image, params)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert code in (None, error["code"])
    assert error["message"] and error["remedy"]
    assert "/studies/" not in error["message"].replace("../studies/", "")
    assert answer.json()["detail"].startswith(error["message"])


def test_info_is_answered_while_a_study_is_analysed(
    server: ForkedServer, session: requests.Session
) -> None:
    session.get(f"{server.url}/info/", timeout=120)
    answers: list[requests.Response] = []
    # Nothing of this is stored yet, and it takes a while, on a fast machine too.
    planes = ["axial", "coronal", "sagittal"]
    parameters = {"threshold": 3.25, "planes": planes}
    analysis = threading.Thread(
        target=lambda: answers.append(infer(server, "anomaly", "lesion-002", parameters))
    )
    analysis.start()
    count = 0
    while analysis.is_alive():
        assert session.get(f"{server.url}/info/", timeout=120).status_code == 200
        count += 1
        time.sleep(0.05)
    assert answers[0].status_code == 200
    # A blocked server would answer once, at the end.
    assert count > 5


def test_a_request_leaves_no_temporary_files(server: ForkedServer) -> None:
    folder = server.log.parent / "temporary"
    assert folder.is_dir()
    infer(server, "anomaly", "lesion-001")
    infer(server, "anomaly", "garbage")
    assert list(folder.glob("d24fad-*")) == []
