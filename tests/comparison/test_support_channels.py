import pytest
import torch
import torch.nn.functional as F

from d24fad_core.comparison.support_channels import (
    CHANNELS,
    from_slices,
    slice_inputs,
    support_channels,
)
from d24fad_core.volumes.volume import Plane

SHAPE = (7, 9, 8)


def tissue(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


EVERYWHERE = torch.ones(SHAPE, dtype=torch.bool)


def test_a_query_like_all_its_normals_differs_nowhere() -> None:
    query = tissue(0)
    channels = support_channels(query, torch.stack([query] * 3), EVERYWHERE)
    query_channel, mean, spread, difference, nearest, low, high, weighted = channels
    for each in (query_channel, mean, low, high):
        torch.testing.assert_close(each, query)
    for each in (spread, difference, nearest, weighted):
        torch.testing.assert_close(each, torch.zeros(SHAPE), atol=1e-6, rtol=0.0)


def test_a_shift_by_one_voxel_is_forgiven_and_by_two_is_not() -> None:
    normal = tissue(1)
    by_one, by_two = torch.roll(normal, 1, 0), torch.roll(normal, 2, 0)
    inner = (slice(3, -2), slice(2, -2), slice(2, -2))
    nearest = support_channels(by_one, normal[None], EVERYWHERE)[4]
    assert float(nearest[inner].abs().max()) == 0.0
    nearest = support_channels(by_two, normal[None], EVERYWHERE)[4]
    assert float(nearest[inner].abs().mean()) > 0.01


def test_the_sign_says_brighter_or_darker() -> None:
    normals = torch.full((2, *SHAPE), 0.5)
    query = torch.full(SHAPE, 0.5)
    query[3, 4, 4], query[3, 6, 4] = 0.9, 0.2
    nearest = support_channels(query, normals, EVERYWHERE)[4]
    assert float(nearest[3, 4, 4]) == pytest.approx(1.6)
    assert float(nearest[3, 6, 4]) == pytest.approx(-1.2)


def test_the_normal_that_resembles_the_query_counts_most() -> None:
    like, unlike = tissue(2), tissue(3)
    channels = support_channels(like, torch.stack([unlike, like]), EVERYWHERE)
    assert float(channels[7].abs().mean()) < 0.01 < float(channels[3].abs().mean())


def test_nothing_is_shown_outside() -> None:
    inside = EVERYWHERE.clone()
    inside[:3] = False
    channels = support_channels(tissue(0), torch.stack([tissue(1), tissue(2)]), inside)
    assert not channels[:, :3].any()
    assert channels[:, 3:].any()


@pytest.mark.parametrize("plane", Plane)
def test_slices_lead_back_into_the_volume(plane: Plane) -> None:
    channels = torch.stack([tissue(seed) for seed in range(8)])
    slices = slice_inputs(channels, plane)
    assert slices.shape[:2] == (SHAPE[plane.axis], CHANNELS)
    for number in range(8):
        torch.testing.assert_close(from_slices(slices[:, number], plane), channels[number])
    torch.testing.assert_close(slices[1:, 8], slices[:-1, 0])
    torch.testing.assert_close(slices[:-1, 9], slices[1:, 0])


def test_the_nearest_difference_is_that_of_the_whole_neighbourhood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("d24fad_core.comparison.support_channels._BLOCK", 100)
    query, normals = tissue(4), torch.stack([tissue(5), tissue(6)])
    nearest = support_channels(query, normals, EVERYWHERE)[4] / 4.0
    padded = F.pad(normals[None], (1,) * 6, mode="replicate")[0]
    around = padded.unfold(1, 3, 1).unfold(2, 3, 1).unfold(3, 3, 1)
    differences = (query[None, ..., None] - around.flatten(4)).movedim(0, -1).flatten(3)
    which = differences.abs().argmin(-1, keepdim=True)
    torch.testing.assert_close(nearest, differences.gather(-1, which)[..., 0])
