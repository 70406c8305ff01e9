"""Fusion, blur and pooling; each by an answer that is known beforehand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from d24fad_core.comparison.fusion import blur, case_score, centred, fuse, slice_scores, top_mean
from d24fad_core.comparison.scoring import MapKey, MapKind, ScoringConfig
from d24fad_core.networks.maps import to_image_size
from d24fad_core.networks.teacher import TEACHERS

LITE0 = TEACHERS["efficientnet_lite0"]
SCORING = ScoringConfig(
    fusion={
        MapKind.TEACHER_SUPPORT: (0.0, 0.5, 2.0),
        MapKind.TEACHER_STUDENT: (3.0, 0.0, 0.0),
    },
    blur=2.0,
    blur_mm=3.0,
    case_fraction=0.1,
    slice_fraction=0.25,
)


def test_fusion_is_the_weighted_sum_at_image_size() -> None:
    generator = torch.Generator().manual_seed(0)
    maps: dict[MapKey, torch.Tensor] = {
        (kind, scale): torch.rand(2, 64 // stride, 64 // stride, generator=generator)
        for kind, scale, stride in (
            (MapKind.TEACHER_SUPPORT, 1, 8),
            (MapKind.TEACHER_SUPPORT, 2, 16),
            (MapKind.TEACHER_STUDENT, 0, 4),
        )
    }
    expected = sum(
        weight * to_image_size(maps[kind, scale], LITE0.strides[scale], LITE0.centres[scale], 64)
        for kind, scale, weight in (
            (MapKind.TEACHER_SUPPORT, 1, 0.5),
            (MapKind.TEACHER_SUPPORT, 2, 2.0),
            (MapKind.TEACHER_STUDENT, 0, 3.0),
        )
    )
    torch.testing.assert_close(fuse(maps, SCORING, LITE0, 64), expected)


def spot() -> torch.Tensor:
    maps = torch.zeros(9, 32, 32)
    maps[4, 16, 16] = 1.0
    return maps


def test_without_a_thickness_slices_keep_to_themselves() -> None:
    smooth = blur(spot(), SCORING, None)
    assert smooth[[0, 1, 2, 3, 5, 6, 7, 8]].count_nonzero() == 0
    assert float(smooth[4].sum()) == pytest.approx(1.0, abs=1e-4)
    assert float(smooth[4, 16, 18] / smooth[4, 16, 16]) == pytest.approx(np.exp(-0.5), abs=1e-3)


@pytest.mark.parametrize("thickness", [1.5, 3.0, 6.0])
def test_blur_through_slices_is_measured_in_mm(thickness: float) -> None:
    smooth = blur(spot(), SCORING, thickness)
    neighbour = float(smooth[5, 16, 16] / smooth[4, 16, 16])
    assert neighbour == pytest.approx(np.exp(-0.5 * (thickness / 3.0) ** 2), abs=1e-3)


def test_a_blurred_slice_does_not_depend_on_how_many_there_are() -> None:
    maps = torch.rand(9, 32, 32, generator=torch.Generator().manual_seed(0))
    whole = blur(maps, SCORING, None)
    for index in (0, 5, 8):
        assert torch.equal(blur(maps[index : index + 1], SCORING, None)[0], whole[index])


def test_what_a_case_has_all_over_is_taken_off() -> None:
    maps = torch.arange(24.0).view(2, 3, 4)
    foreground = (maps >= 8) & (maps < 22)  # mean 14.5, over both slices; of all 11.5
    assert torch.equal(centred(maps, foreground), maps - 14.5)
    torch.testing.assert_close(centred(maps + 5.0, foreground), centred(maps, foreground))


def test_without_foreground_there_is_nothing_to_take_off() -> None:
    maps = torch.arange(24.0).view(2, 3, 4)
    assert torch.equal(centred(maps, torch.zeros(2, 3, 4, dtype=torch.bool)), maps)


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.1, 10.0), (0.2, 9.5), (1.0, 5.5), (1e-9, 10.0)]
)
def test_top_mean_takes_the_highest_share_and_one_value_at_least(
    fraction: float, expected: float
) -> None:
    values = torch.arange(1.0, 11.0)[torch.randperm(10)]
    assert top_mean(values, fraction) == pytest.approx(expected)


def test_nothing_scores_nothing() -> None:
    assert top_mean(torch.zeros(0), 0.5) == 0.0


def test_the_case_is_scored_by_its_highest_voxels() -> None:
    inside = torch.arange(10.0)
    assert case_score(inside, SCORING) == 9.0
    assert case_score(inside, replace(SCORING, case_fraction=0.2)) == 8.5


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_scored_along_their_axis_by_what_lies_inside(axis: int) -> None:
    heatmap = np.zeros((3, 4, 4), np.float32)
    heatmap[1, 0] = (-4.0, -3.0, -2.0, -1.0)  # a slice may be darker than normal
    heatmap[2, 2] = (1.0, 2.0, 3.0, 4.0)
    moved = np.ascontiguousarray(np.moveaxis(heatmap, 0, axis))
    assert slice_scores(moved, axis, SCORING) == (0.0, -1.0, 4.0)
    assert slice_scores(moved, axis, replace(SCORING, slice_fraction=0.5)) == (0.0, -1.5, 3.5)
