"""The paper's score with a support that is encoded once."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from d24fad_core.errors import ConfigurationError
from d24fad_core.images.paper_scorer import PaperScorer
from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.maps import paper_anomaly_map
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import build_teacher

SIZE = 64


def network(weighting: str = "image") -> D24FAD:
    torch.manual_seed(3)
    config = NetworkConfig("resnet18", StudentConfig((1, 1, 1)), weighting, False)
    return D24FAD(config, build_teacher("resnet18", pretrained=False)).eval()


def images(count: int, seed: int) -> torch.Tensor:
    noise = np.random.default_rng(seed).random((count, 3, SIZE, SIZE))
    return torch.from_numpy(ndimage.gaussian_filter(noise, (0, 0, 3, 3)).astype(np.float32))


def published(model: D24FAD, query: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """Every support image encoded again for the query."""
    with torch.inference_mode():
        encoded, weighted = model(query, support[:, None].expand(-1, len(query), -1, -1, -1))
        maps = paper_anomaly_map(encoded.student, weighted.features, SIZE)
    return torch.stack([torch.from_numpy(ndimage.gaussian_filter(m.numpy(), 4)) for m in maps])


@pytest.mark.parametrize("shots", [2, 5])
def test_maps_are_those_of_the_network_that_encodes_the_support_each_time(shots: int) -> None:
    model, support, query = network(), images(shots, 1), images(3, 2)
    expected = published(model, query, support)
    scorer = PaperScorer(model, support)
    torch.testing.assert_close(scorer.maps(query), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        scorer.scores(query), expected.amax(dim=(1, 2)), rtol=1e-4, atol=1e-4
    )


def test_a_score_does_not_depend_on_the_company_of_its_image() -> None:
    scorer, query = PaperScorer(network(), images(2, 1)), images(4, 2)
    alone = torch.cat([scorer.maps(query[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(scorer.maps(query), alone, rtol=1e-4, atol=1e-5)


def test_an_image_of_the_support_is_normal() -> None:
    support = images(3, 1)
    scorer = PaperScorer(network(), support)
    own, other = scorer.scores(support[:1]), scorer.scores(images(1, 9))
    assert float(own) < float(other)


def test_bfloat16_is_near() -> None:
    model, support, query = network(), images(3, 1), images(3, 2)
    exact = PaperScorer(model, support).scores(query)
    near = PaperScorer(model, support, torch.bfloat16).scores(query)
    assert near.dtype is torch.float32
    torch.testing.assert_close(near, exact, rtol=0.05, atol=0.05)


def test_a_network_that_weighs_positions_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="weighs positions"):
        PaperScorer(network("position"), images(2, 1))
