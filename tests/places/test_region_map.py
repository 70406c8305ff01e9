import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.places.place import Side
from d24fad_core.places.region_map import read_region_map, region_and_side

AFFINE = np.array([[-2.0, 0, 0, 20], [0, 0, 3.0, -15], [0, 2.0, 0, -8], [0, 0, 0, 1]])


def write(folder: Path, labels: NDArray[Any], affine: NDArray[np.float64] = AFFINE) -> Path:
    path = folder / "organs.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, affine), path)
    return path


def halves() -> NDArray[np.uint8]:
    labels = np.zeros((10, 12, 8), np.uint8)
    labels[:5], labels[5:] = 1, 7
    return labels


def world(voxels: list[list[int]]) -> NDArray[np.float64]:
    places: NDArray[np.float64] = np.array(voxels) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    return places


def test_points_are_named_on_any_grid(tmp_path: Path) -> None:
    path = write(tmp_path, halves())
    (tmp_path / "organs.json").write_text(json.dumps({"1": "kidney_left", "7": "liver"}))
    regions = read_region_map(path)
    place = regions.place(world([[1, 2, 3], [2, 2, 3], [4, 9, 7], [6, 2, 3]]))
    assert place is not None
    assert (place.region, place.side) == ("kidney", Side.LEFT)
    assert [(each.region, each.share) for each in place.shares] == [
        ("kidney", 0.75),
        ("liver", 0.25),
    ]
    assert (place.certain, place.atlas) == (True, "organs")


def test_points_beyond_the_map_have_no_name(tmp_path: Path) -> None:
    regions = read_region_map(write(tmp_path, halves()))
    assert regions.place(world([[40, 2, 3], [41, 2, 3], [2, 2, 3]])) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("organs.json", '{"1": "spleen", "7": "liver"}'),
        ("organs.json", '{"labels": {"background": 0, "spleen": 1, "liver": 7}}'),
        ("organs.tsv", "index\tname\tcolor\n1\tspleen\tred\n7\tliver\tblue\n"),
    ],
)
def test_names_come_from_a_sidecar(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path, halves())
    (tmp_path / name).write_text(text)
    assert {1: "spleen", 7: "liver"}.items() <= read_region_map(path).names.items()


def test_without_names_numbers_serve(tmp_path: Path) -> None:
    place = read_region_map(write(tmp_path, halves())).place(world([[7, 2, 3]]))
    assert place is not None
    assert str(place) == "region 7"


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.linspace(0, 1, 64, dtype=np.float32).reshape(4, 4, 4), "whole numbers"),
        (np.zeros((4, 4, 4), np.uint8), "every voxel is 0"),
        (-np.eye(4, dtype=np.int16)[..., None] * np.ones(4, np.int16), "whole numbers"),
    ],
)
def test_what_is_no_label_map_is_refused(tmp_path: Path, labels: NDArray[Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_region_map(write(tmp_path, labels))


@pytest.mark.parametrize(
    ("name", "text"),
    [("organs.json", "[1, 2]"), ("organs.json", "{"), ("organs.tsv", "number\tname\n1\tliver\n")],
)
def test_a_malformed_sidecar_is_refused(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path, halves())
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="region names"):
        read_region_map(path)


@pytest.mark.parametrize(
    ("name", "region", "side"),
    [
        ("kidney_left", "kidney", Side.LEFT),
        ("Right-Lateral-Ventricle", "Lateral Ventricle", Side.RIGHT),
        ("ctx-lh-insula", "ctx insula", Side.LEFT),
        ("liver", "liver", None),
        ("left", "left", None),
    ],
)
def test_sides_are_read_from_names(name: str, region: str, side: Side | None) -> None:
    assert region_and_side(name) == (region, side)
