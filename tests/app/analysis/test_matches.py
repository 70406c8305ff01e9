"""The same place in the support studies, asked of the real server."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scipy.ndimage import affine_transform

from tests.app.http_client import Api
from tests.app.window_server import window_server

pytestmark = [pytest.mark.server, pytest.mark.slow]

TURN = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(z=0.14, y=-0.05, x=0.08), [12.0, -7.0, 18.0]
)
"""How the first support study lies to the query, RAS mm."""
SHIFT = nibabel.affines.from_matvec(np.eye(3), [-9.0, 14.0, -21.0])
"""How the second does."""
TOLERANCE_MM = 2.0


def moved(source: Any, motion: np.ndarray, spacing: tuple[float, float, float]) -> Any:
    """The study moved in the world, on a grid of its own: larger, flipped and of other spacing."""
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in source.shape]), -1).reshape(-1, 3)
    reached = nibabel.affines.apply_affine(motion @ source.affine, corners)
    low, high = reached.min(axis=0), reached.max(axis=0)
    shape = np.ceil((high - low) / spacing).astype(int) + 1
    affine = np.diag([-spacing[0], spacing[1], spacing[2], 1.0])
    affine[:3, 3] = [high[0], low[1], low[2]]
    back = np.linalg.inv(motion @ source.affine) @ affine
    values = affine_transform(
        np.asarray(source.dataobj, np.float32), back, output_shape=tuple(shape), order=1
    )
    return nibabel.Nifti1Image(values, affine)


@pytest.fixture(scope="module")
def patient(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Studies: a case, and the same patient, moved twice, as support."""
    studies = tmp_path_factory.mktemp("matches") / "studies"
    studies.mkdir()
    shutil.copy(cohort / "studies" / "lesion-001.nii.gz", studies / "case.nii.gz")
    source = nibabel.load(studies / "case.nii.gz")
    nibabel.save(moved(source, TURN, (2.5, 3.5, 3.0)), studies / "support-turned.nii.gz")
    nibabel.save(moved(source, SHIFT, (3.0, 3.0, 4.0)), studies / "support-shifted.nii.gz")
    return studies


@pytest.fixture(scope="module")
def placed(patient: Path) -> Iterator[tuple[Api, str]]:
    """A server over them, and the result of the case."""
    with window_server(patient, patient.parent / "server.log") as running:
        api = Api(running.url)
        names = ["support-turned", "support-shifted"]
        # A low threshold: the patient hardly differs from itself.
        yield api, api.analysed("case", support=names, options={"threshold": 0.5})


@pytest.fixture(scope="module")
def case(cohort: Path) -> Any:
    return nibabel.load(cohort / "studies" / "lesion-001.nii.gz")


def places(case: Any) -> list[np.ndarray]:
    """The middle of the head and four places towards its surface, RAS mm."""
    parts = [(0.5, 0.5, 0.5), (0.3, 0.5, 0.5), (0.7, 0.6, 0.6), (0.5, 0.3, 0.7), (0.5, 0.7, 0.3)]
    return [
        nibabel.affines.apply_affine(case.affine, np.multiply(part, case.shape)) for part in parts
    ]


def text(numbers: Any) -> str:
    return ",".join(str(float(number)) for number in numbers)


@pytest.mark.parametrize(("number", "motion"), [(0, TURN), (1, SHIFT)])
def test_a_place_lies_where_the_support_was_moved_to(
    placed: tuple[Api, str], case: Any, number: int, motion: np.ndarray
) -> None:
    api, result = placed
    for place in places(case):
        answer = api.get(f"/results/{result}/matches?ras_mm={text(place)}")
        assert answer["place"]["ras_mm"] == pytest.approx(place)
        item = answer["items"][number]
        expected = nibabel.affines.apply_affine(motion, place)
        assert np.linalg.norm(np.subtract(item["place"]["ras_mm"], expected)) < TOLERANCE_MM
        by_matrix = nibabel.affines.apply_affine(np.array(item["query_to_support"]), place)
        np.testing.assert_allclose(by_matrix, item["place"]["ras_mm"], atol=1e-6)


def test_voxels_and_slices_are_those_of_the_supports_own_grid(
    placed: tuple[Api, str], case: Any, patient: Path
) -> None:
    api, result = placed
    place = places(case)[2]
    for plane, axis in (("axial", 2), ("coronal", 1), ("sagittal", 0)):
        answer = api.get(f"/results/{result}/matches?plane={plane}&ras_mm={text(place)}")
        assert answer["slice_axis"] == axis
        for item in answer["items"]:
            support = nibabel.load(patient / f"{item['image']}.nii.gz")
            match_place = item["place"]
            index = np.linalg.inv(support.affine) @ [*match_place["ras_mm"], 1.0]
            assert match_place["voxel"] == index[:3].round().astype(int).tolist()
            assert match_place["slice"] == match_place["voxel"][item["slice_axis"]]
            assert item["slice_axis"] == axis
            assert len(item["slices"]) == case.shape[axis]


def test_the_share_is_that_of_the_result(placed: tuple[Api, str]) -> None:
    api, result = placed
    uses = api.get(f"/results/{result}")["report"]["provenance"]["supports"]
    answer = api.get(f"/results/{result}/matches")
    assert [(item["image"], item["share"]) for item in answer["items"]] == [
        (use["name"], use["share"]) for use in uses
    ]
    assert answer["place"] is None
    assert answer["items"][0]["place"] is None


def test_every_way_to_name_a_place_means_the_same_place(placed: tuple[Api, str]) -> None:
    api, result = placed
    address = f"/results/{result}/matches"
    finding = api.get(f"/results/{result}")["report"]["findings"][0]
    named = api.get(f"{address}?finding=1")
    assert named["place"]["voxel"] == finding["peak_voxel"]
    by_voxel = api.get(f"{address}?voxel={','.join(map(str, finding['peak_voxel']))}")
    assert by_voxel["place"]["ras_mm"] == pytest.approx(finding["peak_ras_mm"], abs=0.01)
    assert by_voxel["items"][0]["place"]["voxel"] == named["items"][0]["place"]["voxel"]

    index = named["place"]["slice"]
    by_slice = api.get(f"{address}?slice={index}")
    assert by_slice["place"]["slice"] == index
    for item in by_slice["items"]:
        assert item["place"]["slice"] == item["slices"][index]


def test_slices_run_through_the_support_and_are_absent_outside(
    placed: tuple[Api, str], case: Any
) -> None:
    api, result = placed
    shifted = api.get(f"/results/{result}/matches")["items"][1]
    known = [(i, s) for i, s in enumerate(shifted["slices"]) if s is not None]
    # Slices of 3 mm in a stack of 4 mm.
    assert np.polyfit(*zip(*known, strict=True), 1)[0] == pytest.approx(0.75, abs=0.05)
    assert None in shifted["slices"]
    outside = api.get(f"/results/{result}/matches?ras_mm=900,0,0")
    assert outside["place"]["voxel"] is None
    assert outside["items"][0]["place"]["slice"] is None


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("finding=99", 404, "unknown_finding"),
        ("finding=0", 400, "bad_request"),
        ("slice=9999", 400, "bad_request"),
        ("voxel=1,2", 400, "bad_request"),
        ("voxel=a,b,c", 400, "bad_request"),
        ("ras_mm=nan,0,0", 400, "bad_request"),
        ("ras_mm=1e400,0,0", 400, "bad_request"),
        ("plane=diagonal", 400, "bad_request"),
        ("voxel=1,2,3&slice=4", 400, "bad_request"),
    ],
)
def test_a_place_that_is_none_is_refused(
    placed: tuple[Api, str], query: str, status: int, code: str
) -> None:
    api, result = placed
    assert api.get(f"/results/{result}/matches?{query}", status)["error"]["code"] == code


def test_an_unknown_result(placed: tuple[Api, str]) -> None:
    api, _ = placed
    assert api.get("/results/nothing/matches", 404)["error"]["code"] == "unknown_result"


def test_what_is_kept_answers_and_changed_studies_are_told(
    placed: tuple[Api, str], patient: Path
) -> None:
    api, result = placed
    before = api.get(f"/results/{result}/matches?slice=20")
    names = [item["image"] for item in before["items"]]
    unasked = api.analysed("case", support=names, options={"threshold": 0.6})
    changed = patient / "support-shifted.nii.gz"
    source = nibabel.load(changed)
    values = np.asarray(source.dataobj) * 0.5
    changed.unlink()
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), source.affine), changed)

    assert api.get(f"/results/{result}/matches?slice=20") == before
    refusal = api.get(f"/results/{unasked}/matches?slice=20", 409)
    assert refusal["error"]["code"] == "studies_changed"
