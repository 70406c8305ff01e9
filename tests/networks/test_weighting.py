"""Learn-to-weight, against loops that spell it out."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

from d24fad_core.networks.weighting import (
    ImageWeighting,
    PositionWeighting,
)


@pytest.fixture
def similarity() -> Tensor:
    return torch.rand(2, 4, 5, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("scale", range(3))
def test_shares_sum_to_one_and_rise_with_similarity(similarity: Tensor, scale: int) -> None:
    shares = PositionWeighting().shares(similarity, scale)
    assert shares.shape == similarity.shape
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2, 5, 6))
    assert (shares.argmax(dim=1) == similarity.argmax(dim=1)).all()


def test_the_distance_lies_between_that_to_the_nearest_and_the_mean(similarity: Tensor) -> None:
    distance = PositionWeighting().distance(similarity, 0)
    assert distance.shape == (2, 5, 6)
    assert (distance >= 1.0 - similarity.amax(dim=1) - 1e-6).all()
    assert (distance <= 1.0 - similarity.mean(dim=1) + 1e-6).all()


def test_temperature_leads_from_the_nearest_support_to_their_mean(similarity: Tensor) -> None:
    weighting = PositionWeighting()
    with torch.no_grad():
        weighting.log_temperature[:] = torch.tensor([math.log(1e-5), 0.0, math.log(1e5)])
        nearest, between, mean = (weighting.distance(similarity, scale) for scale in range(3))
    torch.testing.assert_close(nearest, 1.0 - similarity.amax(dim=1), rtol=0, atol=1e-5)
    torch.testing.assert_close(mean, 1.0 - similarity.mean(dim=1), rtol=0, atol=1e-4)
    expected = (similarity.exp() * (1 - similarity)).sum(1) / similarity.exp().sum(1)
    torch.testing.assert_close(between, expected)


def test_the_temperature_is_learnt(similarity: Tensor) -> None:
    weighting = PositionWeighting()
    weighting.distance(similarity, 1).sum().backward()
    gradient = weighting.log_temperature.grad
    assert gradient is not None
    assert (gradient != 0).tolist() == [False, True, False]


def test_image_weighting_follows_the_paper() -> None:
    """Logit = <key(support), query> / sqrt(C); softmax over the images; weighted sum of values."""
    torch.manual_seed(0)
    channels = (4, 6)
    weighting = ImageWeighting(channels)
    query = tuple(torch.randn(2, width, 3, 5) for width in channels)
    support = tuple(torch.randn(2, 3, width, 3, 5) for width in channels)
    with torch.no_grad():
        weighted = weighting(query, support)
    for scale, width in enumerate(channels):
        key = weighting.keys[scale]
        for b in range(2):
            logits = torch.zeros(3)
            for k in range(3):
                keys = torch.einsum("dc,chw->dhw", key.weight[:, :, 0, 0], support[scale][b, k])
                keys = keys + key.bias[:, None, None]
                logits[k] = (keys * query[scale][b]).sum() / math.sqrt(width)
            share = logits.exp() / logits.exp().sum()
            torch.testing.assert_close(weighted.shares[scale][b], share, rtol=1e-4, atol=1e-6)
            expected = sum(share[k] * support[scale][b, k] for k in range(3))
            torch.testing.assert_close(weighted.features[scale][b], expected, rtol=1e-4, atol=1e-5)


def test_one_support_image_has_all_the_weight() -> None:
    support = torch.randn(2, 1, 4, 3, 3)
    weighted = ImageWeighting((4,))((torch.randn(2, 4, 3, 3),), (support,))
    assert (weighted.shares[0] == 1.0).all()
    torch.testing.assert_close(weighted.features[0], support[:, 0])


def test_normalised_logits_are_smaller_by_the_root_of_the_positions() -> None:
    generator = torch.Generator().manual_seed(0)
    query = (torch.randn(2, 4, 6, 5, generator=generator),)
    support = (torch.randn(2, 3, 4, 6, 5, generator=generator),)
    published, normalised = ImageWeighting((4,)), ImageWeighting((4,), normalised_logits=True)
    normalised.load_state_dict(published.state_dict())
    one, other = (weighting(query, support).shares[0] for weighting in (published, normalised))
    # Logits are known from shares up to a constant an image.
    differences = [(share.log() - share.log()[:, :1]) for share in (one, other)]
    torch.testing.assert_close(differences[1], differences[0] / 30**0.5)


@pytest.mark.parametrize("normalised_logits", [False, True])
def test_a_prepared_support_is_weighed_alike(normalised_logits: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    weighting = ImageWeighting((4,), normalised_logits=normalised_logits)
    query = (torch.randn(2, 4, 6, 5, generator=generator),)
    support = torch.randn(3, 4, 6, 5, generator=generator)
    one = weighting(query, (support.expand(2, -1, -1, -1, -1),))
    other = weighting.weigh(query, weighting.prepare((support,)))
    torch.testing.assert_close(other.shares[0], one.shares[0])
    torch.testing.assert_close(other.features[0], one.features[0])


def test_similarities_on_the_cpu_are_weighed_by_a_network_on_a_gpu() -> None:
    # Tensors without values know their device, so no GPU is needed.
    with FakeTensorMode():
        weighting = PositionWeighting()
        weighting.log_temperature = nn.Parameter(torch.empty(3, device="cuda"))
        assert weighting.distance(torch.empty(1, 4, 8, 8), 1).device.type == "cpu"
