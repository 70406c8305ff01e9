"""Features of numbered images: every value of image n is n, so that each can be recognised."""

from pathlib import Path

import numpy as np
import pytest
import torch

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.training.episodes import EmbeddedImages, ImageEpisodes, draw_images
from d24fad_core.training.feature_episodes import FeatureEpisodes
from tests.training.small_run import CONFIG, network, pictures, run

SHAPES = ((2, 8, 8), (3, 4, 4), (5, 2, 2))


def numbered(count: int, sign: float = 1.0) -> EmbeddedImages:
    numbers = sign * torch.arange(count).view(-1, 1, 1, 1)
    return EmbeddedImages(
        tuple(numbers.expand(-1, *shape).half() for shape in SHAPES),
        numbers.expand(-1, 7, 1, 1).float(),
    )


def numbers(images: EmbeddedImages) -> np.ndarray:
    """The number of each image; all its features say the same."""
    tensors = [*images.features, images.embedding]
    first = tensors[0][..., 0, 0, 0]
    for values in tensors:
        assert torch.equal(values, first[..., None, None, None].expand_as(values))
    return first.numpy()


def test_chosen_images_keep_their_order_and_type() -> None:
    episode = numbered(9).choose(torch.tensor([[4, 0, 4], [8, 1, 2]]))
    np.testing.assert_array_equal(numbers(episode.float()), [[4, 0, 4], [8, 1, 2]])
    assert [scale.dtype for scale in episode.features] == [torch.float16] * 3
    assert episode.float().features[0].dtype == torch.float32


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("count", [7, 40])
def test_episodes_are_those_of_the_images(shared: bool, count: int) -> None:
    source = FeatureEpisodes("numbers", numbered(count))
    episode = source.draw(np.random.default_rng(4), 3, 2, shared=shared)
    query, support = draw_images("", count, np.random.default_rng(4), 3, 2, shared=shared)
    np.testing.assert_array_equal(numbers(episode.query), query)
    np.testing.assert_array_equal(numbers(episode.support), support)
    assert episode.support.embedding.shape == (2, 1 if shared else 3, 7, 1, 1)
    assert episode.query.features[0].dtype == torch.float32


def test_mirrored_episodes_come_from_the_mirrored_features() -> None:
    source = FeatureEpisodes("numbers", numbered(9), numbered(9, -1.0))
    straight, mirrored = (
        source.draw(np.random.default_rng(0), 3, 2, shared=True, mirrored=flag)
        for flag in (False, True)
    )
    np.testing.assert_array_equal(numbers(mirrored.query), -numbers(straight.query))
    np.testing.assert_array_equal(numbers(mirrored.support), -numbers(straight.support))


def test_without_mirrored_features_none_are_given() -> None:
    source = FeatureEpisodes("numbers", numbered(9))
    with pytest.raises(ConfigurationError, match="'numbers' hold no mirrored images"):
        source.draw(np.random.default_rng(0), 3, 2, shared=True, mirrored=True)


def test_a_task_that_is_too_small_is_named() -> None:
    with pytest.raises(InputError, match="'numbers' has 4"):
        FeatureEpisodes("numbers", numbered(4)).draw(np.random.default_rng(0), 3, 2, shared=True)


def test_training_on_features_is_training_on_images(tmp_path: Path) -> None:
    """The same losses, epoch for epoch, but for rounding."""
    images = pictures(9, 1).float() / 255
    # What the run's random teacher makes of them: seeded as the run seeds itself.
    model = network(CONFIG.network, CONFIG.seed)
    with torch.no_grad():
        straight, mirrored = (
            EmbeddedImages(*model.embed(variant)) for variant in (images, images.flip(-1))
        )
    seen: dict[str, list[float]] = {"images": [], "features": []}
    for kind, source in (
        ("images", ImageEpisodes("squares", pictures(9, 1))),
        ("features", FeatureEpisodes("squares", straight, mirrored)),
    ):
        losses = seen[kind]
        run(
            tmp_path / kind,
            sources=[source],
            on_epoch=lambda _, means, losses=losses: losses.append(means["total"]),
        )
    assert len(seen["images"]) == CONFIG.epochs
    assert seen["features"] == pytest.approx(seen["images"], rel=1e-3)
