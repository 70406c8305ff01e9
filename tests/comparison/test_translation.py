"""Translated normals: what a case has all over is learnt, what it has in one spot is not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from torch import Tensor

from d24fad_core.comparison.features import SliceFeatures, StudyFeatures
from d24fad_core.comparison.scoring import MapKey, MapKind, ScoringConfig
from d24fad_core.comparison.similarity import distances, similarities
from d24fad_core.comparison.translation import (
    _trimmed_fit,
    translated_distances,
    translated_scoring,
)
from d24fad_core.errors import ConfigurationError
from d24fad_core.networks.d24fad import D24FAD
from tests.evaluation.networks import untrained_network

SLICES, NORMALS = 8, 3
CHANNELS, SIZES = (8, 12, 16), (32, 16, 8)
SCORING = ScoringConfig({MapKind.TEACHER_SUPPORT: (1.0, 1.0, 1.0)})
EVERYWHERE = torch.arange(SLICES)

Features = dict[int, NDArray[np.float64]]
"""(S, C, H, W) by scale."""


def study(features: Features, foreground: Tensor | None = None) -> StudyFeatures:
    mask = torch.ones(SLICES, 64, 64, dtype=torch.bool) if foreground is None else foreground
    halved = {scale: torch.from_numpy(values).half() for scale, values in features.items()}
    return StudyFeatures(SliceFeatures(halved, {}), mask, 1.0)


def of_length_one(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def anatomy() -> Features:
    """What all people share: smooth, and different everywhere."""
    generator = np.random.default_rng(0)
    smooth = {}
    for scale, (channels, size) in enumerate(zip(CHANNELS, SIZES, strict=True)):
        noise = generator.standard_normal((SLICES, channels, size, size))
        sigma = (1.5, 0.0, size / 6, size / 6)
        smooth[scale] = of_length_one(ndimage.gaussian_filter(noise, sigma, mode="nearest"))
    return smooth


def person(
    seed: int, differs: Callable[[int], NDArray[np.float64] | float] = lambda _: 0.05
) -> Features:
    """The anatomy with how much one person differs from it, by scale."""
    generator = np.random.default_rng(seed)
    return {
        scale: of_length_one(values + differs(scale) * generator.standard_normal(values.shape))
        for scale, values in anatomy().items()
    }


def turned(features: Features, stretch: float = 0.0, offset: float = 0.0) -> Features:
    """The same people seen by another scanner: turned, stretched and moved in feature space."""
    generator = np.random.default_rng(5)
    changed = {}
    for scale, values in features.items():
        channels = values.shape[1]
        rotation = np.linalg.qr(generator.standard_normal((channels, channels)))[0]
        linear = rotation * np.exp(generator.uniform(-stretch, stretch, channels))
        moved = np.moveaxis(values, 1, -1) @ linear + offset * generator.standard_normal(channels)
        changed[scale] = np.moveaxis(moved, -1, 1)
    return changed


def other_scanner(features: Features) -> Features:
    return turned(features, stretch=0.4, offset=0.2)


def with_lesion(features: Features, share: float) -> tuple[Features, dict[int, NDArray[np.bool_]]]:
    """Tissue of elsewhere in the case in a square over two slices, and where that is."""
    changed, where = {}, {}
    for scale, values in features.items():
        size = values.shape[-1]
        width = max(1, round(size * np.sqrt(share * SLICES / 2)))
        spot = np.zeros((SLICES, size, size), np.bool_)
        spot[3:5, size // 8 : size // 8 + width, size // 8 : size // 8 + width] = True
        elsewhere = np.roll(values, (SLICES // 2, size // 2, size // 2), (0, 2, 3))
        changed[scale], where[scale] = np.where(spot[:, None], elsewhere, values), spot
    return changed, where


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


def plain_distances(
    model: D24FAD, query: StudyFeatures, supports: list[StudyFeatures]
) -> dict[MapKey, Tensor]:
    """The comparison without translation."""
    return distances(model, similarities(query.slices, EVERYWHERE, supports, SCORING))


def unevenness(distance_map: Tensor) -> float:
    """How much a map varies between neighbourhoods, of its mean; noise within them is averaged."""
    size = distance_map.shape[-1] // 4
    means = F.avg_pool3d(distance_map[None, None], (2, size, size))
    return float(means.std() / means.mean())


@pytest.fixture(scope="module")
def people() -> list[Features]:
    """The normals; the last one is the case."""
    return [person(seed) for seed in range(NORMALS + 1)]


@pytest.fixture(scope="module")
def supports(people: list[Features]) -> list[StudyFeatures]:
    return [study(features) for features in people[:NORMALS]]


def test_a_lesion_stands_out_in_a_case_that_differs_everywhere(
    model: D24FAD, people: list[Features], supports: list[StudyFeatures]
) -> None:
    features, where = with_lesion(other_scanner(people[-1]), share=0.01)
    case = study(features)
    translated = translated_distances(case, EVERYWHERE, supports, SCORING)
    plain = plain_distances(model, case, supports)
    assert translated.keys() == set(SCORING.keys)
    for key, distance_map in translated.items():
        spot = where[key[1]]
        assert distance_map.shape == spot.shape
        assert spot.ravel()[int(distance_map.argmax())], key
        assert roc_auc_score(spot.ravel(), distance_map.ravel()) > 0.99, key
        assert roc_auc_score(spot.ravel(), plain[key].ravel()) < 0.75, key


def test_a_normal_from_another_scanner_has_no_structure(
    model: D24FAD, people: list[Features], supports: list[StudyFeatures]
) -> None:
    case = study(turned(people[0]))
    plain = plain_distances(model, case, supports)
    for key, values in translated_distances(case, EVERYWHERE, supports, SCORING).items():
        assert unevenness(values) < 0.08, key
        assert float(values.max() / values.median()) < 2.0, key
        assert unevenness(plain[key]) > 0.15, key


def test_a_large_lesion_does_not_teach_the_translation(
    people: list[Features], supports: list[StudyFeatures]
) -> None:
    heights: dict[float, dict[int, float]] = {}
    for share in (0.01, 0.05):
        features, where = with_lesion(other_scanner(people[-1]), share)
        heights[share] = {}
        for (_, scale), values in translated_distances(
            study(features), EVERYWHERE, supports, SCORING
        ).items():
            spot = torch.from_numpy(where[scale])
            heights[share][scale] = float(values[spot].median() / values[~spot].median())
    for scale in range(3):
        assert heights[0.05][scale] > 3.3
        assert heights[0.05][scale] > 0.9 * heights[0.01][scale]


def test_the_map_is_linear_with_a_constant_and_ignores_what_it_explains_worst() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2000, 4, generator=generator)
    outputs = inputs @ torch.randn(4, 3, generator=generator) + torch.tensor([5.0, -3.0, 0.5])
    spoiled = outputs.clone()
    spoiled[:100] += 20.0
    fitted, inliers = _trimmed_fit(inputs, spoiled, 1e-6)
    torch.testing.assert_close(fitted(inputs), outputs, rtol=1e-3, atol=1e-3)
    assert not inliers[:100].any()


def test_tissue_that_differs_much_in_this_case_counts_half() -> None:
    """Half in logarithms: it is neither lost nor all that is seen."""
    first = torch.from_numpy(anatomy()[1][:, :1])
    amounts = [
        0.05 * F.interpolate(torch.exp(0.4 * first / first.std()), size=(size, size))
        for size in SIZES
    ]
    *supports, case = (
        study(turned(person(seed, lambda scale: amounts[scale].numpy())))
        for seed in range(NORMALS + 1)
    )
    for (_, scale), values in translated_distances(case, EVERYWHERE, supports, SCORING).items():
        amount = amounts[scale][:, 0]
        quiet, restless = amount < amount.quantile(0.25), amount > amount.quantile(0.75)
        assert 2.5 < float(amount[restless].mean() / amount[quiet].mean()) < 3.0
        assert 1.1 < float(values[restless].mean() / values[quiet].mean()) < 1.5, scale


def test_slices_are_compared_at_their_own_places(
    people: list[Features], supports: list[StudyFeatures]
) -> None:
    places = torch.tensor([0, 2, 5, 7])
    whole = study(turned(people[0]))
    case = replace(whole, slices=whole.slices[places], foreground=whole.foreground[places])
    right = translated_distances(case, places, supports, SCORING)
    wrong = translated_distances(case, places.flip(0), supports, SCORING)
    for key, values in right.items():
        assert values.shape[0] == len(places)
        assert unevenness(values) < 0.08, key
        assert unevenness(wrong[key]) > 1.5 * unevenness(values), key


@pytest.mark.parametrize("through", [0, 1])
def test_the_same_tissue_is_found_one_step_away(
    people: list[Features], supports: list[StudyFeatures], through: int
) -> None:
    """Normals that lie a position or a slice apart explain the case as well as those in place."""
    case = study(turned(people[0]))
    in_place = translated_distances(case, EVERYWHERE, supports[:1], SCORING)
    shift = (through, 1 - through, 1 - through)
    apart = study({scale: np.roll(values, shift, (0, 2, 3)) for scale, values in people[0].items()})
    inner = (slice(1, -1),) * 3
    for key, distance_map in translated_distances(case, EVERYWHERE, [apart], SCORING).items():
        assert float(distance_map[inner].median()) < 1.5 * float(in_place[key][inner].median()), key


def test_outside_the_body_lies_the_median_and_teaches_nothing(
    people: list[Features], supports: list[StudyFeatures]
) -> None:
    foreground = torch.zeros(SLICES, 64, 64, dtype=torch.bool)
    foreground[:, :, 16:] = True
    features = other_scanner(people[-1])
    strange = {scale: values.copy() for scale, values in features.items()}
    for values in strange.values():
        values[:, :, :, : values.shape[-1] // 4] = 7.0
    expected = translated_distances(study(features, foreground), EVERYWHERE, supports, SCORING)
    maps = translated_distances(study(strange, foreground), EVERYWHERE, supports, SCORING)
    for key, values in maps.items():
        edge = values.shape[-1] // 4
        torch.testing.assert_close(values, expected[key], rtol=1e-3, atol=1e-3)
        inside = values[:, :, edge:]
        assert torch.equal(values[:, :, :edge], inside.median().expand(values[:, :, :edge].shape))
        assert len(inside.unique()) > 0.9 * inside.numel()


def test_without_foreground_nothing_is_found(
    people: list[Features], supports: list[StudyFeatures]
) -> None:
    case = study(people[-1], torch.zeros(SLICES, 64, 64, dtype=torch.bool))
    for key, values in translated_distances(case, EVERYWHERE, supports, SCORING).items():
        assert torch.equal(values, torch.zeros(SLICES, SIZES[key[1]], SIZES[key[1]]))


@pytest.mark.parametrize("count", [1, 3])
def test_a_sliver_of_foreground_gives_numbers(
    people: list[Features], supports: list[StudyFeatures], count: int
) -> None:
    foreground = torch.zeros(SLICES, 64, 64, dtype=torch.bool)
    foreground[:count, :8, :8] = True
    case = study(other_scanner(people[-1]), foreground)
    for values in translated_distances(case, EVERYWHERE, supports, SCORING).values():
        assert bool(values.isfinite().all())


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_features_without_any_difference_give_numbers(
    supports: list[StudyFeatures], value: float
) -> None:
    flat = study({scale: np.full_like(values, value) for scale, values in anatomy().items()})
    for query, normals in ((flat, supports), (supports[0], [flat, flat]), (flat, [flat, flat])):
        for distance_map in translated_distances(query, EVERYWHERE, normals, SCORING).values():
            assert bool(distance_map.isfinite().all())


def test_the_order_of_the_normals_changes_nothing(
    people: list[Features], supports: list[StudyFeatures]
) -> None:
    case = study(with_lesion(other_scanner(people[-1]), share=0.01)[0])
    one = translated_distances(case, EVERYWHERE, supports, SCORING)
    other = translated_distances(case, EVERYWHERE, supports[::-1], SCORING)
    for key, values in one.items():
        torch.testing.assert_close(other[key], values, rtol=1e-3, atol=1e-4)


def test_only_maps_between_teacher_and_support_remain() -> None:
    every = ScoringConfig(dict.fromkeys(MapKind, (0.0, 0.5, 2.0)), blur=7.0)
    scoring = translated_scoring(every)
    assert scoring.keys == ((MapKind.TEACHER_SUPPORT, 1), (MapKind.TEACHER_SUPPORT, 2))
    assert [scoring.weight(key) for key in scoring.keys] == [0.5, 2.0]
    assert scoring.blur == 7.0


@pytest.mark.parametrize("weights", [{}, {MapKind.TEACHER_SUPPORT: (0.0, 0.0, 0.0)}])
def test_a_model_without_such_maps_cannot_translate(
    weights: dict[MapKind, tuple[float, float, float]],
) -> None:
    scoring = ScoringConfig({MapKind.TEACHER_STUDENT: (1.0, 1.0, 1.0), **weights})
    with pytest.raises(ConfigurationError, match="leave --translate out"):
        translated_scoring(scoring)
