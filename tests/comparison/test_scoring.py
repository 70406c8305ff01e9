import json
from dataclasses import replace

import pytest

from d24fad_core.comparison.scoring import (
    ImageScoringConfig,
    MapKind,
    ScoringConfig,
    default_image_scoring,
    paper_scoring,
)
from d24fad_core.errors import CheckpointError, ConfigurationError

CONFIGURATIONS = {
    "default": ScoringConfig(),
    "paper": paper_scoring(),
    "whole image": ScoringConfig(search_radius=None, neighbours=False),
    "tuned": ScoringConfig(
        fusion={
            MapKind.SELF_DISTILLATION: (0.25, 0.0, 1.0),
            MapKind.TEACHER_STUDENT: (0.0, 2.0, 0.0),
            MapKind.TEACHER_SUPPORT: (1.0, 0.0, 0.5),
        },
        search_radius=(4, 3, 2),
        subtracted=0.0,
        case_fraction=0.5,
    ),
}
IMAGES = {
    "default": default_image_scoring(),
    "mixed": ImageScoringConfig(
        CONFIGURATIONS["tuned"], CONFIGURATIONS["whole image"], 0.2, 0.6, True
    ),
}


@pytest.mark.parametrize("scoring", CONFIGURATIONS.values(), ids=list(CONFIGURATIONS))
def test_scoring_survives_a_model_card(scoring: ScoringConfig) -> None:
    document = json.loads(json.dumps(scoring.to_dict()))
    assert ScoringConfig.from_dict(document) == scoring


@pytest.mark.parametrize("scoring", IMAGES.values(), ids=list(IMAGES))
def test_image_scoring_survives_a_model_card(scoring: ImageScoringConfig) -> None:
    document = json.loads(json.dumps(scoring.to_dict()))
    assert ImageScoringConfig.from_dict(document) == scoring


def test_an_empty_card_takes_the_defaults() -> None:
    assert ScoringConfig.from_dict({}) == ScoringConfig()
    assert ImageScoringConfig.from_dict({}) == default_image_scoring()


def test_what_an_older_card_does_not_say_takes_its_default() -> None:
    assert ScoringConfig.from_dict({"blur": 3.0}) == replace(ScoringConfig(), blur=3.0)


def test_the_option_of_a_newer_library_is_named() -> None:
    card = {**ScoringConfig().to_dict(), "sharpening": 2}
    with pytest.raises(CheckpointError, match=r"unknown scoring options \(sharpening\)"):
        ScoringConfig.from_dict(card)


BROKEN = {
    "unknown map": {"fusion": {"guesswork": [1, 1, 1]}},
    "fusion that is no table": {"fusion": [1, 1, 1]},
    "radius that is no list": {"search_radius": 2},
}


@pytest.mark.parametrize("values", BROKEN.values(), ids=list(BROKEN))
def test_values_that_mean_nothing_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="scoring"):
        ScoringConfig.from_dict(values)


@pytest.mark.parametrize("part", ["base", "in_place", "aligned", "foreground_only"])
def test_a_part_that_image_scoring_lacks_is_named(part: str) -> None:
    card = default_image_scoring().to_dict()
    del card[part]
    with pytest.raises(CheckpointError, match=part):
        ImageScoringConfig.from_dict(card)


def test_an_unknown_part_of_image_scoring_is_named() -> None:
    card = {**default_image_scoring().to_dict(), "texture_from": 0.8}
    with pytest.raises(CheckpointError, match="has an unknown texture_from"):
        ImageScoringConfig.from_dict(card)


@pytest.mark.parametrize(
    ("misalignment", "weight"), [(0.0, 1.0), (0.4, 1.0), (0.55, 0.5), (0.7, 0.0), (1.0, 0.0)]
)
def test_the_place_counts_as_far_as_images_are_aligned(misalignment: float, weight: float) -> None:
    assert default_image_scoring().place_weight(misalignment) == pytest.approx(weight)


def test_aligned_and_unaligned_cannot_overlap() -> None:
    with pytest.raises(ConfigurationError, match=r"aligned up to 0.7 and as unaligned from 0.7"):
        ImageScoringConfig(ScoringConfig(), aligned=0.7, unaligned=0.7)


def test_maps_of_weight_zero_are_left_out() -> None:
    scoring = CONFIGURATIONS["tuned"]
    assert scoring.keys == (
        (MapKind.SELF_DISTILLATION, 0),
        (MapKind.SELF_DISTILLATION, 2),
        (MapKind.TEACHER_STUDENT, 1),
        (MapKind.TEACHER_SUPPORT, 0),
        (MapKind.TEACHER_SUPPORT, 2),
    )
    assert [scoring.weight(key) for key in scoring.keys] == [0.25, 1.0, 2.0, 1.0, 0.5]


def test_images_are_encoded_for_either_scoring() -> None:
    both = ImageScoringConfig(paper_scoring(), ScoringConfig()).keys
    assert set(both) == {*paper_scoring().keys, *ScoringConfig().keys}
    assert len(set(both)) == len(both)
