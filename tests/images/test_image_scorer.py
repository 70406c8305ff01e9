"""Scores of single pictures, with the real teacher and an untrained student."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.comparison.scoring import ImageScoringConfig, default_image_scoring
from d24fad_core.errors import SupportError
from d24fad_core.images.image_scorer import ImageScorer, encode_each
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.teacher import build_teacher
from tests.evaluation.networks import untrained_network
from tests.evaluation.small_tasks import SIDE, SQUARE, disc

SCORING = default_image_scoring()
BOTH = [
    pytest.param(replace(SCORING, in_place=None), id="anywhere"),
    pytest.param(replace(SCORING, aligned=8.0, unaligned=9.0), id="in place"),
]


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


def encoded(model: D24FAD, pictures: list[np.ndarray]) -> list[StudyFeatures]:
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 255.0
    return encode_each(model, images, SCORING.keys)


def scorer(model: D24FAD, scoring: ImageScoringConfig = SCORING, shots: int = 4) -> ImageScorer:
    return ImageScorer(model, scoring, encoded(model, [disc(s) for s in range(shots)]), SIDE)


@pytest.mark.parametrize("scoring", BOTH)
@pytest.mark.parametrize("shots", [2, 4])
def test_a_bright_square_scores_higher_than_a_plain_disc(
    model: D24FAD, scoring: ImageScoringConfig, shots: int
) -> None:
    plain, bright = encoded(model, [disc(50), disc(51, abnormal=True)])
    measure = scorer(model, scoring, shots)
    assert measure.score(bright) > measure.score(plain) + 1.0


def test_the_map_is_highest_at_the_square(model: D24FAD) -> None:
    (bright,) = encoded(model, [disc(51, abnormal=True)])
    map_ = scorer(model, BOTH[1].values[0]).maps(bright)
    assert map_.shape == (SIDE, SIDE)
    row, column = np.unravel_index(int(map_.argmax()), map_.shape)
    assert SQUARE[0].start - 4 <= row < SQUARE[0].stop + 4
    assert SQUARE[1].start - 4 <= column < SQUARE[1].stop + 4


def test_a_score_is_the_same_alone_and_in_any_batch(model: D24FAD) -> None:
    """Bit for bit."""
    pictures = [disc(seed, abnormal=seed % 2 == 0) for seed in range(60, 71)]
    measure = scorer(model)
    together = [measure.score(features) for features in encoded(model, pictures)]
    backwards = [measure.score(features) for features in encoded(model, pictures[::-1])]
    alone = [measure.score(encoded(model, [picture])[0]) for picture in pictures]
    assert together == backwards[::-1] == alone


def test_scores_are_in_units_of_the_normals(model: D24FAD) -> None:
    """Other normals of the same kind lie within a few units, whatever the support's contrast."""
    measure = scorer(model)
    normals = [measure.score(features) for features in encoded(model, [disc(s) for s in range(9)])]
    assert np.abs(normals).max() < 8


@pytest.mark.parametrize(
    ("aligned", "unaligned", "choice"), [(0.9, 1.0, 1), (8.0, 9.0, 1), (0.0, 0.01, 0)]
)
def test_the_support_alone_decides_whether_the_place_counts(
    model: D24FAD, aligned: float, unaligned: float, choice: int
) -> None:
    """Discs at one place are aligned, unless nothing counts as aligned."""
    (query,) = encoded(model, [disc(51, abnormal=True)])
    scoring = replace(SCORING, aligned=aligned, unaligned=unaligned)
    score = scorer(model, scoring).score(query)
    kinds = [scorer(model, kind.values[0]).score(query) for kind in BOTH]
    assert kinds[0] != kinds[1]
    assert score == kinds[choice]


def test_half_aligned_images_count_their_place_in_part(model: D24FAD) -> None:
    (query,) = encoded(model, [disc(51, abnormal=True)])
    anywhere, in_place = (scorer(model, kind.values[0]) for kind in BOTH)
    between = scorer(model, replace(SCORING, aligned=-1.0, unaligned=1.5))
    maps = [one.fused_map(one.compare(query)) for one in (anywhere, between, in_place)]
    added, partly = maps[2] - maps[0], maps[1] - maps[0]
    share = float(partly.mean() / added.mean())
    assert 0.1 < share < 0.9
    assert torch.allclose(partly, share * added, atol=1e-4)


def test_empty_background_does_not_count(model: D24FAD) -> None:
    """The score is that of the map's foreground."""
    picture = disc(51, abnormal=True)
    picture[:, :20] = 0
    (query,) = encoded(model, [picture])
    assert not query.foreground[0, :, :20].any()
    measure = scorer(model)
    inside = measure.maps(query)[query.foreground[0]]
    assert measure.score(query) == pytest.approx(float(inside.mean()), rel=1e-5)


def test_a_black_image_is_scored_as_a_whole(model: D24FAD) -> None:
    (query,) = encoded(model, [np.zeros((SIDE, SIDE, 3), np.uint8)])
    assert query.foreground.all()
    assert np.isfinite(scorer(model).score(query))


def test_one_support_image_has_no_other_to_be_compared_with(model: D24FAD) -> None:
    with pytest.raises(SupportError, match="1 support image given; at least 2"):
        scorer(model, shots=1)


def test_a_network_that_weighs_images_can_score_too() -> None:
    """As checkpoints of the official code are imported."""
    config = replace(untrained_network().config, weighting="image")
    model = D24FAD(config, build_teacher(config.teacher, pretrained=False)).eval()
    plain, bright = encoded(model, [disc(50), disc(51, abnormal=True)])
    measure = scorer(model)
    assert measure.score(bright) > measure.score(plain)
