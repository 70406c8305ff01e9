"""Misalignment of support images, with the real teacher."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from d24fad_core.comparison.scoring import default_image_scoring
from d24fad_core.images.alignment import misalignment
from d24fad_core.images.image_scorer import encode_each
from d24fad_core.networks.d24fad import D24FAD
from tests.evaluation.networks import untrained_network
from tests.evaluation.small_tasks import disc

SCORING = default_image_scoring()


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


def measured(model: D24FAD, pictures: list[np.ndarray]) -> float:
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 255.0
    return misalignment([image.slices for image in encode_each(model, images, SCORING.keys)])


def texture(seed: int) -> np.ndarray:
    """Coloured clouds: every picture another pattern."""
    noise = np.random.default_rng(seed).normal(size=(128, 128, 3))
    clouds = gaussian_filter(noise, (4, 4, 0), mode="wrap")
    return (255 * (clouds - clouds.min()) / np.ptp(clouds)).astype(np.uint8)


def anatomy(seed: int) -> np.ndarray:
    """The same clouds in every picture, with noise."""
    noise = np.random.default_rng(seed).normal(0, 12, (128, 128, 3))
    return (texture(0) + noise).clip(0, 255).astype(np.uint8)


def moved(seed: int) -> np.ndarray:
    """The same clouds, rolled to another place in every picture."""
    shift = np.random.default_rng(seed).integers(0, 128, 2)
    return np.roll(anatomy(seed), shift, axis=(0, 1))


@pytest.mark.parametrize("count", [2, 4, 8])
def test_pictures_that_lie_upon_each_other_are_aligned(model: D24FAD, count: int) -> None:
    assert measured(model, [anatomy(seed) for seed in range(count)]) < 0.5


@pytest.mark.parametrize("count", [2, 4, 8])
def test_texture_has_no_common_places(model: D24FAD, count: int) -> None:
    shares = measured(model, [texture(seed) for seed in range(count)])
    assert SCORING.unaligned < shares < 1.1


def test_what_is_moved_about_is_texture_however_alike(model: D24FAD) -> None:
    assert measured(model, [moved(seed) for seed in range(6)]) > SCORING.unaligned


def test_discs_at_one_place_are_anatomy(model: D24FAD) -> None:
    assert measured(model, [disc(seed) for seed in range(4)]) < SCORING.aligned


def test_the_order_of_the_support_does_not_matter(model: D24FAD) -> None:
    pictures = [anatomy(seed) for seed in range(4)]
    assert measured(model, pictures) == pytest.approx(measured(model, pictures[::-1]), rel=1e-4)


def test_copies_of_one_picture_are_aligned(model: D24FAD) -> None:
    assert measured(model, [anatomy(0)] * 2) == pytest.approx(0.0, abs=1e-3)
