from dataclasses import replace

import numpy as np
import pytest

from d24fad_core.errors import InputError
from d24fad_core.volumes.volume import Modality, Plane, Volume

ARRAY = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)


def volume(array: np.ndarray = ARRAY, affine: np.ndarray | None = None) -> Volume:
    return Volume(array, np.eye(4) if affine is None else affine, Modality.MR, "scan-1")


def test_spacing_and_voxel_size_follow_the_affine() -> None:
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, -1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.5, 2.0, 3.0])
    study = volume(affine=affine)
    assert study.spacing == pytest.approx((0.5, 2.0, 3.0))
    assert study.voxel_ml == pytest.approx(0.003)
    assert study.shape == (4, 5, 6)


def test_a_sheared_voxel_has_its_own_volume() -> None:
    affine = np.eye(4)
    affine[0, 1] = 5.0
    assert volume(affine=affine).voxel_ml == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("array", "affine", "message"),
    [
        (np.zeros((3, 3), np.float32), None, r"2 dimensions, shape \(3, 3\)"),
        (np.zeros((3, 3, 3, 2), np.float32), None, "4 dimensions"),
        (ARRAY, np.eye(3), "not a finite 4x4 matrix"),
        (ARRAY, np.full((4, 4), np.nan), "not a finite 4x4 matrix"),
        (ARRAY, np.diag([1.0, 0.0, 1.0, 1.0]), "singular"),
    ],
)
def test_what_is_no_volume_is_named(array: np.ndarray, affine: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=f"scan-1: .*{message}"):
        volume(array, affine)


def test_the_hash_is_of_content_not_of_memory_layout_or_name() -> None:
    first = volume()
    assert volume(np.asfortranarray(ARRAY)).content_hash == first.content_hash
    assert replace(first, name="other", modality_source="header").content_hash == first.content_hash
    changed = ARRAY.copy()
    changed[0, 0, 0] += 1
    moved = np.eye(4)
    moved[0, 3] = 0.001
    others = {
        volume(changed).content_hash,
        volume(affine=moved).content_hash,
        volume(ARRAY.reshape((5, 4, 6), order="F")).content_hash,
        volume(ARRAY.transpose(2, 1, 0)).content_hash,
        replace(first, modality=Modality.CT).content_hash,
    }
    assert first.content_hash not in others
    assert len(others) == 5


def test_views_hash_like_copies() -> None:
    assert (
        volume(ARRAY[::-1, :, ::2]).content_hash == volume(ARRAY[::-1, :, ::2].copy()).content_hash
    )


def test_planes_are_stacked_along_the_axis_across_them() -> None:
    assert {plane.value: plane.axis for plane in Plane} == {
        "sagittal": 0,
        "coronal": 1,
        "axial": 2,
    }
