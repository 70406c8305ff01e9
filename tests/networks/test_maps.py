import pytest
import torch

from d24fad_core.networks.maps import distance_maps, paper_anomaly_map, to_image_size
from d24fad_core.networks.teacher import TEACHERS

SCALES = [
    pytest.param(stride, centre, id=f"{info.name}-{stride}")
    for info in TEACHERS.values()
    for stride, centre in zip(info.strides, info.centres, strict=True)
]


def test_distances_run_from_same_over_unrelated_to_opposite() -> None:
    one = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3)
    other = torch.tensor([[2.0, 0.0], [0.0, 5.0], [-1.0, 0.0]]).T.view(1, 2, 1, 3)
    (distance_map,) = distance_maps((one,), (other.expand(1, 2, 2, 3),))
    torch.testing.assert_close(distance_map, torch.tensor([0.0, 1.0, 2.0]).expand(1, 2, 3))


@pytest.mark.parametrize(("stride", "centre"), SCALES)
@pytest.mark.parametrize("size", [64, 128])
def test_a_hot_feature_lands_on_the_pixels_it_is_centred_on(
    stride: int, centre: float, size: int
) -> None:
    length = size // stride
    row, column = length // 2, length // 2 - 1
    maps = torch.zeros(1, length, length)
    maps[0, row, column] = 1.0
    image = to_image_size(maps, stride, centre, size)[0]
    assert image.shape == (size, size)
    pixels = torch.arange(size, dtype=torch.float32)
    for axis, feature in ((1, row), (0, column)):
        profile = image.sum(dim=axis)
        position = float((profile * pixels).sum() / profile.sum())
        assert position == pytest.approx(centre + stride * feature, abs=0.5)
    at = round(centre + stride * row), round(centre + stride * column)
    assert image[at] > 0.7
    # A feature reaches to its neighbours' centres and no further.
    assert int((image > 0).sum(dim=0).max()) <= 2 * stride


def test_maps_are_continued_by_their_border() -> None:
    maps = torch.arange(16.0).view(1, 4, 4)
    image = to_image_size(maps, 8, 4.0, 32)[0]
    assert image[0, 0] == image[4, 4] == 0.0
    assert image[31, 31] == image[28, 28] == 15.0
    assert image[24, 31] == image[24, 28] == 13.0
    torch.testing.assert_close(
        to_image_size(torch.full((2, 4, 4), 3.0), 8, 4.1, 32), torch.full((2, 32, 32), 3.0)
    )


def test_rows_stay_rows_and_columns_columns() -> None:
    maps = torch.zeros(1, 4, 8)
    maps[0, 3, 0] = 1.0
    image = to_image_size(maps, 4, 1.5, 16)[0]
    assert image[13, 1] > 0.7
    assert image.T[13, 1] == 0.0


def test_the_paper_map_sums_the_scales_with_aligned_corners() -> None:
    first = tuple(torch.randn(2, 3, size, size) for size in (8, 4, 2))
    second = tuple(torch.randn(2, 3, size, size) for size in (8, 4, 2))
    anomaly_map = paper_anomaly_map(first, second, 32)
    assert anomaly_map.shape == (2, 32, 32)
    distances = distance_maps(first, second)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        expected = sum(each[(slice(None), *corner)] for each in distances)
        torch.testing.assert_close(anomaly_map[(slice(None), *corner)], expected)
    # Aligned corners: no pixel lies beyond a feature, values run straight from edge to edge.
    coarse = paper_anomaly_map(first[2:], second[2:], 32)
    straight = torch.linspace(0, 1, 32)
    left, right = distances[2][0, 0]
    torch.testing.assert_close(coarse[0, 0], left + (right - left) * straight)
