"""Units of the maps, from comparing normals with each other."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from d24fad_core.comparison.features import SliceFeatures, StudyFeatures
from d24fad_core.comparison.normal_statistics import (
    SLICES,
    NormalStatistics,
    compare_normals,
    summarise_normals,
)
from d24fad_core.comparison.scoring import MapKey, MapKind, ScoringConfig
from d24fad_core.comparison.similarity import distances, similarities
from d24fad_core.networks.d24fad import D24FAD
from tests.evaluation.networks import untrained_network

SCORING = ScoringConfig(
    fusion={
        MapKind.TEACHER_SUPPORT: (0.0, 1.0, 1.0),
        MapKind.TEACHER_STUDENT: (0.0, 0.0, 1.0),
    },
    subtracted=0.5,
)
SHARP = replace(SCORING, mean_blur=0.0, mean_blur_slices=0.0, subtracted=1.0)


def study(seed: int, slices: int = 6) -> StudyFeatures:
    generator = torch.Generator().manual_seed(seed)

    def part() -> dict[int, Tensor]:
        return {
            scale: torch.randn(slices, 5, size, size, generator=generator).half()
            for scale, size in ((1, 8), (2, 4))
        }

    foreground = torch.rand(slices, 64, 64, generator=generator) > 0.3
    return StudyFeatures(SliceFeatures(part(), part()), foreground, 1.0)


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


@pytest.fixture(scope="module")
def studies() -> list[StudyFeatures]:
    return [study(seed) for seed in range(4)]


def left_out(
    model: D24FAD, studies: Sequence[StudyFeatures], number: int, scoring: ScoringConfig
) -> dict[MapKey, Tensor]:
    """Distances of one study to the others, compared with them alone."""
    places = torch.arange(len(studies[0]))
    others = [each for index, each in enumerate(studies) if index != number]
    return distances(model, similarities(studies[number].slices, places, others, scoring))


def test_all_slices_of_a_short_study_are_compared(studies: list[StudyFeatures]) -> None:
    comparisons = compare_normals(studies, SCORING)
    assert comparisons.places.tolist() == list(range(6))
    for number, foreground in enumerate(comparisons.foreground):
        assert torch.equal(foreground, studies[number].foreground)


def test_a_long_study_is_compared_at_evenly_spaced_slices() -> None:
    studies = [study(seed, slices=100) for seed in range(2)]
    comparisons = compare_normals(studies, SCORING)
    places = comparisons.places
    assert len(places) == SLICES
    assert (int(places[0]), int(places[-1])) == (0, 99)
    assert set(places.diff().tolist()) == {2, 3}
    assert torch.equal(comparisons.foreground[1], studies[1].foreground[places])
    similarity = similarities(studies[0].slices[places[20:21]], places[20:21], studies, SCORING)
    for key, values in comparisons.similarity[0].items():
        assert torch.equal(values[20:21], similarity[key])


@pytest.mark.parametrize("number", range(4))
def test_leaving_one_out_compares_it_with_the_others_alone(
    model: D24FAD, studies: list[StudyFeatures], number: int
) -> None:
    comparisons = compare_normals(studies, SCORING)
    others = [other for other in range(4) if other != number]
    maps = comparisons.leave_one_out(model, number, others)
    for key, values in left_out(model, studies, number, SCORING).items():
        torch.testing.assert_close(maps[key], values)


def test_the_unit_is_the_mean_distance_of_normals(
    model: D24FAD, studies: list[StudyFeatures]
) -> None:
    statistics = summarise_normals(model, compare_normals(studies, SCORING), range(4), SCORING)
    runs = [left_out(model, studies, number, SCORING) for number in range(4)]
    for key in SCORING.keys:
        expected = torch.stack([run[key] for run in runs])
        assert statistics.unit[key] == pytest.approx(float(expected.mean()), rel=1e-5)


def test_what_is_taken_off_is_the_mean_at_the_same_place(
    model: D24FAD, studies: list[StudyFeatures]
) -> None:
    comparisons = compare_normals(studies, SHARP)
    runs = [left_out(model, studies, number, SHARP) for number in range(4)]
    for share in (0.0, 0.5, 1.0):
        scoring = replace(SHARP, subtracted=share)
        statistics = summarise_normals(model, comparisons, range(4), scoring)
        for key in SHARP.keys:
            expected = share * torch.stack([run[key] for run in runs]).mean(dim=0)
            torch.testing.assert_close(statistics.offset[key], expected)


def test_the_mean_is_smoothed_in_plane_and_through_slices(
    model: D24FAD, studies: list[StudyFeatures]
) -> None:
    comparisons = compare_normals(studies, SHARP)
    sharp, in_plane, through = (
        summarise_normals(model, comparisons, range(4), scoring).offset
        for scoring in (
            SHARP,
            replace(SHARP, mean_blur=16.0),
            replace(SHARP, mean_blur_slices=2.0),
        )
    )
    for key in SHARP.keys:
        assert in_plane[key].std(dim=(1, 2)).mean() < 0.6 * sharp[key].std(dim=(1, 2)).mean()
        assert through[key].std(dim=0).mean() < 0.6 * sharp[key].std(dim=0).mean()
        torch.testing.assert_close(in_plane[key].mean(), sharp[key].mean(), rtol=0.05, atol=0.0)


def test_each_slice_takes_the_mean_of_the_nearest_compared_one(model: D24FAD) -> None:
    studies = [study(seed, slices=100) for seed in range(2)]
    comparisons = compare_normals(studies, SHARP)
    statistics = summarise_normals(model, comparisons, range(2), SHARP)
    runs = [left_out(model, studies, number, SHARP) for number in range(2)]
    for key in SHARP.keys:
        mean = torch.stack([run[key] for run in runs]).mean(dim=0)
        assert len(statistics.offset[key]) == 100
        for index, offset in enumerate(statistics.offset[key]):
            apart = (comparisons.places - index).abs()
            nearest = [
                place for place, far in zip(comparisons.places, apart, strict=True) if far <= 2
            ]
            assert any(torch.allclose(offset, mean[place], atol=1e-6) for place in nearest)


def test_members_are_summarised_as_if_there_were_no_others(
    model: D24FAD, studies: list[StudyFeatures]
) -> None:
    some = summarise_normals(model, compare_normals(studies, SCORING), [0, 2, 3], SCORING)
    people = [studies[number] for number in (0, 2, 3)]
    alone = summarise_normals(model, compare_normals(people, SCORING), range(3), SCORING)
    for key in SCORING.keys:
        torch.testing.assert_close(some.offset[key], alone.offset[key])
        assert some.unit[key] == pytest.approx(alone.unit[key])


def test_standardised_maps_are_in_units_beyond_the_mean() -> None:
    key = (MapKind.TEACHER_SUPPORT, 1)
    offset = torch.arange(5.0).view(5, 1, 1).expand(5, 2, 2)
    statistics = NormalStatistics({key: offset}, {key: 0.5})
    scores = statistics.standardise({key: torch.full((2, 2, 2), 4.0)}, torch.tensor([3, 1]))
    assert scores[key][:, 0, 0].tolist() == [2.0, 6.0]
