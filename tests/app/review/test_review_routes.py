"""The review routes: what a reviewer decides is kept, and what they did not see is not stored."""

import hashlib
import uuid
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from monailabel_app.analysis.encodings import write_labels
from monailabel_app.failures import RequestError
from tests.app.review.served import ServedReviews

SHAPE = (10, 12, 8)
AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])
REGIONS = {1: (slice(1, 4), slice(1, 4), slice(1, 4)), 2: (slice(6, 9), slice(6, 9), slice(4, 7))}


def boxed(*places: Any) -> NDArray[np.uint8]:
    voxels = np.zeros(SHAPE, np.uint8)
    for place in places:
        voxels[place] = 1
    return voxels


DRAWN = boxed((slice(2, 5), slice(2, 3), slice(1, 2)))


@pytest.fixture
def served(tmp_path: Path) -> ServedReviews:
    served = ServedReviews(tmp_path)
    scores = np.zeros(SHAPE, np.float32)
    for number, place in REGIONS.items():
        scores[place] = 10.0 - number
    served.put("r", "scan", scores, AFFINE, 4.0)
    return served


def test_edit_save_accept_save_keeps_the_drawn_outline(served: ServedReviews) -> None:
    mask = served.send_mask("r", DRAWN)
    served.act("r", "edit", finding=1, mask=mask)
    served.act("r", "reject", finding=2)
    served.store_final("r", 2)
    review = served.act("r", "accept", finding=1)
    assert review["findings"][0]["mask"] == mask
    assert review["findings"][0]["state"] == "edited"
    served.store_final("r", 4)
    np.testing.assert_array_equal(served.final(), DRAWN)


def test_an_outline_that_was_changed_on_the_disk_is_in_no_label(
    served: ServedReviews, tmp_path: Path
) -> None:
    mask = served.send_mask("r", DRAWN)
    served.act("r", "edit", finding=1, mask=mask)
    served.act("r", "reject", finding=2)
    (path,) = (tmp_path / "reviews" / "masks").glob(f"{mask}.*")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    refusal = served.store_final("r", 2, 404)
    assert "or it was damaged since" in refusal["error"]["message"]
    assert served.send_mask("r", DRAWN) == mask  # sent again it is taken
    served.store_final("r", 2)
    np.testing.assert_array_equal(served.final(), DRAWN)


@pytest.mark.parametrize("place", [2, 12, 40, -6])
def test_an_outline_of_damaged_bytes_is_refused(
    served: ServedReviews, tmp_path: Path, place: int
) -> None:
    served.send_mask("r", DRAWN)
    content = bytearray((tmp_path / "sent.nii.gz").read_bytes())
    content[place] ^= 0xFF
    digest = hashlib.sha256(content).hexdigest()
    address = f"/results/r/review/masks/{digest}"
    refusal = served.ask("PUT", address, 422, content=bytes(content))
    assert refusal["error"]["code"] == "unreadable_image"


def test_a_region_that_was_rejected_and_accepted_again_keeps_its_outline(
    served: ServedReviews,
) -> None:
    mask = served.send_mask("r", DRAWN)
    for finding in (1, 2):
        served.act("r", "reject", finding=finding)
    served.act("r", "add", mask=mask)
    served.act("r", "reject", finding=3)
    review = served.act("r", "accept", finding=3)
    served.store_final("r", review["version"])
    np.testing.assert_array_equal(served.final(), DRAWN)


def test_a_final_label_that_its_reviewer_did_not_see_is_refused(served: ServedReviews) -> None:
    served.act("r", "accept", finding=1)
    seen = served.act("r", "reject", finding=2)["version"]
    served.act("r", "reject", finding=1, reviewer="CD", expected_version=seen)
    refusal = served.store_final("r", seen, 409)
    assert refusal["error"]["code"] == "review_changed"
    assert refusal["error"]["remedy"]
    assert refusal["review"]["version"] == 3
    assert refusal["review"]["findings"][0]["state"] == "rejected"
    assert not served.labels.path("scan").exists()
    assert served.review("r")["final"] is None
    assert served.review("r")["confirmed_normal"] is False


def test_a_final_label_needs_the_version_that_was_seen(served: ServedReviews) -> None:
    for finding in (1, 2):
        served.act("r", "reject", finding=finding)
    answer = served.ask("PUT", "/results/r/review/final", 400, json={"reviewer": "AB"})
    assert "expected_version" in answer["error"]["message"]
    assert answer["error"]["remedy"]


def test_a_request_that_is_sent_again_is_done_once(served: ServedReviews) -> None:
    mask = served.send_mask("r", DRAWN)
    keys = [uuid.uuid4().hex for _ in range(4)]
    for _ in range(2):
        served.act("r", "add", mask=mask, key=keys[0], expected_version=0)
        served.act("r", "accept", finding=1, key=keys[1], expected_version=1)
        served.act("r", "undo", key=keys[2], event=2, expected_version=2)
    assert [e["action"] for e in served.review("r")["events"]] == ["add", "accept", "undo"]
    for finding in (1, 2):
        served.act("r", "reject", finding=finding)
    for _ in range(2):
        saved = served.store_final("r", 5, key=keys[3])
        assert saved["version"] == 6
    other = served.act("r", "reject", 400, finding=1, key=keys[1])
    assert keys[1] in other["error"]["message"]


def test_reviews_of_an_image_that_has_changed_are_refused(served: ServedReviews) -> None:
    served.act("r", "reject", finding=1)
    served.act("r", "reject", finding=2)
    served.hashes["scan"] = "0" * 64
    for refusal in (
        served.act("r", "accept", 409, finding=1),
        served.store_final("r", 2, 409),
        served.act("r", "undo", 409),
    ):
        assert refusal["error"]["code"] == "studies_changed"
        assert "'scan'" in refusal["error"]["message"]
    assert served.review("r")["version"] == 2
    assert not served.labels.path("scan").exists()


@pytest.mark.parametrize(
    "value", [256, 255, 2, 0.3, -1, float("nan")], ids=lambda value: f"{value:g}"
)
def test_a_mask_of_other_voxels_than_0_and_1_is_refused(
    served: ServedReviews, value: float
) -> None:
    voxels = DRAWN.astype(np.int16 if isinstance(value, int) else np.float32)
    voxels[0, 0, 0] = value
    mask = served.send_mask("r", voxels, 422)
    assert served.act("r", "edit", 404, finding=1, mask=mask)["error"]["code"] == "unknown_upload"


@pytest.mark.parametrize("kind", ["4-D", "shape", "place"])
def test_a_mask_on_another_grid_is_refused(served: ServedReviews, kind: str) -> None:
    voxels = {"4-D": DRAWN[..., None], "shape": DRAWN[1:], "place": DRAWN}[kind]
    affine = AFFINE.copy()
    if kind == "place":
        affine[0, 3] += 2.0
    if kind == "4-D":
        voxels = np.repeat(voxels, 2, axis=3)
    served.send_mask("r", voxels, 422, affine)


def test_a_mask_drawn_for_another_image_is_not_used(served: ServedReviews) -> None:
    other = np.zeros((4, 4, 4), np.float32)
    other[1, 1, 1] = 9.0
    served.put("q", "other", other, AFFINE, 4.0)
    mask = served.send_mask("q", (other > 0).astype(np.uint8))
    refusal = served.act("r", "edit", 422, finding=1, mask=mask)
    assert refusal["error"]["code"] == "unsuitable_image"
    for finding in (1, 2):
        served.act("r", "reject", finding=finding)
    served.store_final("r", 2, 422, mask=mask)
    assert not served.labels.path("scan").exists()


def test_a_misspelt_field_is_named(served: ServedReviews) -> None:
    refusal = served.act("r", "accept", 400, finding=1, expected_verson=0)
    assert "expected_verson" in refusal["error"]["message"]
    assert served.review("r")["version"] == 0


def test_confirming_as_normal_is_refused_where_a_finding_is_accepted(
    served: ServedReviews,
) -> None:
    served.act("r", "accept", finding=1)
    with pytest.raises(RequestError) as refusal:
        served.reviews.confirm_normal("scan", "AB", "")
    assert refusal.value.code == "findings_accepted"
    served.act("r", "reopen", finding=1)
    served.reviews.confirm_normal("scan", "AB", "")
    assert served.review("r")["confirmed_normal"] is True
    assert served.act("r", "accept", finding=1)["confirmed_normal"] is False


def test_a_label_drawn_elsewhere_goes_through_the_log(
    served: ServedReviews, tmp_path: Path
) -> None:
    served.act("r", "accept", finding=1)
    for name in ("label.nii.gz", "label.nrrd"):
        write_labels(DRAWN, AFFINE, tmp_path / name)
        final = served.reviews.store_drawn("scan", tmp_path / name, "elsewhere")
        assert final.review.final.reviewer == "elsewhere"
        np.testing.assert_array_equal(served.final(), DRAWN)
    flipped = AFFINE.copy()
    flipped[0] = [-2.0, 0.0, 0.0, 2.0 * (SHAPE[0] - 1)]
    write_labels(DRAWN[::-1], flipped, tmp_path / "turned.nii.gz")
    served.reviews.store_drawn("scan", tmp_path / "turned.nii.gz", "elsewhere")
    np.testing.assert_array_equal(served.final(), DRAWN)
    version = served.review("r")["version"]

    whole = (tmp_path / "label.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[:-4])
    (tmp_path / "flipped.nii.gz").write_bytes(whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:])
    nibabel.save(nibabel.Nifti1Image(DRAWN * 2, AFFINE), tmp_path / "two.nii.gz")
    nibabel.save(nibabel.Nifti1Image(DRAWN[1:], AFFINE), tmp_path / "smaller.nii.gz")
    nibabel.save(
        nibabel.Nifti1Image(np.repeat(DRAWN[..., None], 2, 3), AFFINE), tmp_path / "series.nii.gz"
    )
    away = AFFINE.copy()
    away[2, 3] = 3.0
    write_labels(DRAWN, away, tmp_path / "away.nii.gz")
    for name in ("cut", "flipped", "two", "smaller", "series", "away"):
        with pytest.raises(RequestError) as refusal:
            served.reviews.store_drawn("scan", tmp_path / f"{name}.nii.gz", "elsewhere")
        assert refusal.value.code in ("unreadable_image", "unsuitable_image"), name
    with pytest.raises(RequestError, match="no result"):
        served.reviews.store_drawn("unknown", tmp_path / "label.nii.gz", "elsewhere")
    assert served.review("r")["version"] == version
    np.testing.assert_array_equal(served.final(), DRAWN)
