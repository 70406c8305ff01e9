"""The search for the nearest neighbour, against loops that spell it out."""

from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from d24fad_core.networks import nearest_neighbour
from d24fad_core.networks.nearest_neighbour import nearest_similarity


def cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / (one.norm() * other.norm()).clamp_min(1e-12))


def naive_nearest_similarity(query: Tensor, support: Tensor, radius: int | None) -> Tensor:
    batch, _, height, width = query.shape
    result = torch.empty(batch, support.shape[1], height, width)
    reach = max(height, width) if radius is None else radius
    for b, k, y, x in torch.cartesian_prod(*(torch.arange(n) for n in result.shape)).tolist():
        candidates = support[0 if len(support) == 1 else b, k]
        result[b, k, y, x] = max(
            cosine(query[b, :, y, x], candidates[:, v, u])
            for v in range(max(0, y - reach), min(height, y + reach + 1))
            for u in range(max(0, x - reach), min(width, x + reach + 1))
        )
    return result


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 3)] * 3, *[st.integers(1, 6)] * 2),
    radius=st.one_of(st.none(), st.integers(0, 7)),
    shared=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_nearest_similarity_is_the_best_cosine_in_the_window(
    sizes: tuple[int, int, int, int, int], radius: int | None, shared: bool, seed: int
) -> None:
    batch, shots, channels, height, width = sizes
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(batch, channels, height, width, generator=generator)
    support = torch.randn(
        1 if shared else batch, shots, channels, height, width, generator=generator
    )
    similarity = nearest_similarity(query, support, radius)
    expected = naive_nearest_similarity(query, support, radius)
    torch.testing.assert_close(similarity, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("radius", [0, 2, None])
def test_an_image_finds_itself_whatever_its_brightness(radius: int | None) -> None:
    image = torch.randn(1, 5, 4, 7)
    similarity = nearest_similarity(image, 3.0 * image[:, None], radius)
    torch.testing.assert_close(similarity, torch.ones(1, 1, 4, 7), rtol=0, atol=1e-6)


def test_features_of_zero_resemble_nothing() -> None:
    similarity = nearest_similarity(torch.zeros(1, 3, 4, 4), torch.randn(1, 2, 3, 4, 4), 1)
    assert not similarity.any()


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 3)] * 4, *[st.integers(1, 6)] * 2),
    radius=st.one_of(st.none(), st.integers(0, 7)),
    cached=st.sampled_from([1, 1 << 19]),
    columns=st.sampled_from([1, 2, 16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_highest_similarity_is_the_best_of_a_studys_slices(
    sizes: tuple[int, int, int, int, int, int],
    radius: int | None,
    cached: int,
    columns: int,
    seed: int,
) -> None:
    batch, shots, slices, channels, height, width = sizes
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(batch, channels, height, width, generator=generator)
    candidates = torch.randn(batch, shots, slices, channels, height, width, generator=generator)
    with mock.patch.multiple(nearest_neighbour, _CACHED=cached, _COLUMNS=columns):
        similarity = nearest_neighbour.highest_similarity(
            F.normalize(query, dim=1).permute(2, 0, 3, 1),
            F.normalize(candidates, dim=3).permute(4, 0, 1, 2, 5, 3),
            radius,
        )
    expected = naive_nearest_similarity(query, candidates.flatten(1, 2), radius)
    expected = expected.view(batch, shots, slices, height, width).amax(dim=2)
    torch.testing.assert_close(similarity, expected, rtol=0, atol=2e-6)
