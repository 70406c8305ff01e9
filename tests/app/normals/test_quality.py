"""What makes a study stand out from its set."""

import numpy as np
import pytest

from d24fad_core.volumes.volume import Modality, Volume
from monailabel_app.normals.quality import (
    Geometry,
    geometry_check,
    modality_check,
    outlier_check,
)


def geometry(
    shape: tuple[int, int, int] = (90, 108, 90),
    spacing: tuple[float, float, float] = (2.0, 2.0, 2.0),
) -> Geometry:
    affine = np.diag([*spacing, 1.0])
    return Geometry.of(Volume(np.zeros(shape, np.float32), affine, Modality.MR, "x"))


def test_extent_is_measured_along_the_body_whatever_the_arrays_axes() -> None:
    turned = np.array(
        [[0.0, 0.0, 3.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    )
    volume = Volume(np.zeros((10, 20, 30), np.float32), turned, Modality.MR, "x")
    assert Geometry.of(volume).extent_mm == pytest.approx((90.0, 10.0, 40.0))
    assert Geometry.of(volume).spacing_mm == pytest.approx((1.0, 2.0, 3.0))


def test_alike_geometries_pass() -> None:
    own = [geometry(), geometry((92, 110, 88)), geometry(spacing=(2.0, 2.0, 2.2))]
    assert all(geometry_check(each, own).passed for each in own)


def test_another_body_part_or_slice_thickness_is_named() -> None:
    usual = [geometry(), geometry(), geometry()]
    large = geometry((200, 200, 90))
    check = geometry_check(large, [*usual, large])
    assert not check.passed
    assert "400 mm right-left where 180 mm are usual" in check.message
    thick = geometry((90, 108, 25), (2.0, 2.0, 7.2))
    assert "voxels of 7.2 mm" in geometry_check(thick, [*usual, thick]).message


def test_modality() -> None:
    assert modality_check(Modality.MR, Modality.MR).passed
    check = modality_check(Modality.CT, Modality.MR)
    assert not check.passed
    assert check.message == "CT, but the set is MR."


def test_an_outlier_is_flagged_and_a_narrow_set_flags_nobody() -> None:
    scores = [2.0, 2.2, 1.9, 2.1, 9.0]
    assert not outlier_check(9.0, scores).passed
    assert all(outlier_check(score, scores).passed for score in scores[:4])
    narrow = [2.0, 2.0, 2.0, 2.1]
    assert all(outlier_check(score, narrow).passed for score in narrow)
