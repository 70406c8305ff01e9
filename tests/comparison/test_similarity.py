"""Distances to the support: what they compare, and that a slice's do not depend on company."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from d24fad_core.comparison.features import SliceFeatures, StudyFeatures
from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.comparison.similarity import (
    distances,
    learnt_shares,
    similarities,
    study_shares,
)
from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.nearest_neighbour import nearest_similarity
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import build_teacher
from tests.evaluation.networks import untrained_network

SLICES, SHOTS = 13, 4
CHANNELS, SIZES = (6, 10, 14), (16, 8, 4)
EVERY_MAP = dict.fromkeys(MapKind, (1.0, 1.0, 1.0))


def slices(seed: int) -> SliceFeatures:
    generator = torch.Generator().manual_seed(seed)

    def part() -> dict[int, Tensor]:
        return {
            scale: torch.randn(SLICES, channels, size, size, generator=generator).half()
            for scale, (channels, size) in enumerate(zip(CHANNELS, SIZES, strict=True))
        }

    return SliceFeatures(part(), part())


def study(seed: int) -> StudyFeatures:
    return StudyFeatures(slices(seed), torch.ones(SLICES, 64, 64, dtype=torch.bool), 1.0)


@pytest.fixture(scope="module")
def supports() -> list[StudyFeatures]:
    return [study(seed) for seed in range(SHOTS)]


@pytest.fixture(scope="module")
def query() -> SliceFeatures:
    return slices(99)


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("radius", [(2, 1, 1), None])
@pytest.mark.parametrize(
    "subset", [[0], [5], [3, 4, 5], [7, 6, 5, 4, 3, 2, 1, 0], [1, 0, 2, 3, 4], [6, 6, 6], [12, 2]]
)
def test_a_slice_does_not_depend_on_its_company_bit_for_bit(
    query: SliceFeatures,
    supports: list[StudyFeatures],
    model: D24FAD,
    radius: tuple[int, int, int] | None,
    subset: list[int],
) -> None:
    scoring = ScoringConfig(fusion=EVERY_MAP, search_radius=radius)
    everything, places = torch.arange(SLICES), torch.tensor(subset)
    with torch.inference_mode():
        whole = similarities(query, everything, supports, scoring)
        part = similarities(query[places], places, supports, scoring)
        whole_distances, part_distances = distances(model, whole), distances(model, part)
    for key in scoring.keys:
        assert torch.equal(part[key], whole[key][places]), key
        assert torch.equal(part_distances[key], whole_distances[key][places]), key


def test_each_kind_of_map_compares_its_own_features(
    query: SliceFeatures, supports: list[StudyFeatures]
) -> None:
    scoring = ScoringConfig(fusion=EVERY_MAP, search_radius=(3, 2, 1), neighbours=False)
    places = torch.tensor([2, 9])
    similarity = similarities(query[places], places, supports, scoring)
    assert similarity.keys() == set(scoring.keys)
    for scale, radius in enumerate((3, 2, 1)):
        for kind, part in (
            (MapKind.TEACHER_SUPPORT, "teacher"),
            (MapKind.SELF_DISTILLATION, "student"),
        ):
            features = getattr(query, part)[scale][places].float()
            for number, support in enumerate(supports):
                candidates = getattr(support.slices, part)[scale][places].float()[:, None]
                expected = nearest_similarity(features, candidates, radius)[:, 0]
                torch.testing.assert_close(similarity[kind, scale][:, number], expected)
        predicted = torch.cosine_similarity(
            query.student[scale][places].float(), query.teacher[scale][places].float(), dim=1
        )
        own = similarity[MapKind.TEACHER_STUDENT, scale]
        torch.testing.assert_close(own, predicted[:, None], rtol=0, atol=1e-6)


def test_neighbouring_slices_are_searched_too(supports: list[StudyFeatures]) -> None:
    """Every slice of a support study finds itself one slice away, but for the ends."""
    scoring = ScoringConfig({MapKind.TEACHER_SUPPORT: (1.0, 1.0, 1.0)}, (0, 0, 0))
    alone = replace(scoring, neighbours=False)
    places = torch.tensor([0, 5, SLICES - 1])
    for shift, where in ((1, [0, 1]), (-1, [1, 2])):
        query = supports[2].slices[(places + shift).clamp(0, SLICES - 1)]
        for key, similarity in similarities(query, places, supports, scoring).items():
            torch.testing.assert_close(
                similarity[where, 2], torch.ones_like(similarity[where, 2]), rtol=0, atol=1e-5
            )
            assert float(similarities(query, places, supports, alone)[key][1, 2].max()) < 0.99


def test_distances_follow_the_chosen_studies_only(
    query: SliceFeatures, supports: list[StudyFeatures], model: D24FAD
) -> None:
    scoring = ScoringConfig(fusion=EVERY_MAP)
    places = torch.tensor([4])
    similarity = similarities(query[places], places, supports, scoring)
    subset_maps = distances(model, similarity, [1, 3])
    alone = distances(
        model, similarities(query[places], places, [supports[1], supports[3]], scoring)
    )
    assert all(torch.equal(subset_maps[key], alone[key]) for key in scoring.keys)
    for key, values in distances(model, similarity, [2]).items():
        number = 0 if key[0] is MapKind.TEACHER_STUDENT else 2
        torch.testing.assert_close(values, 1.0 - similarity[key][:, number])


def test_the_study_that_resembles_the_query_has_the_largest_share(
    supports: list[StudyFeatures], model: D24FAD
) -> None:
    scoring = ScoringConfig()
    places = torch.arange(4)
    similarity = similarities(supports[1].slices[places], places, supports, scoring)
    shares = study_shares(model, similarity, SHOTS)
    assert shares.shape == (SHOTS,)
    assert float(shares.sum()) == pytest.approx(1.0)
    assert int(shares.argmax()) == 1


def test_where_no_map_needs_the_support_nobody_has_a_share(
    query: SliceFeatures, supports: list[StudyFeatures], model: D24FAD
) -> None:
    scoring = ScoringConfig(fusion={MapKind.TEACHER_STUDENT: (1.0, 1.0, 1.0)})
    places = torch.arange(2)
    similarity = similarities(query[places], places, supports, scoring)
    assert study_shares(model, similarity, SHOTS).tolist() == [0.0] * SHOTS


def test_studies_count_alike_where_the_model_has_not_learnt_to_weigh_places(
    query: SliceFeatures, supports: list[StudyFeatures]
) -> None:
    """The paper's weighting, as in an imported official checkpoint, has no notion of place."""
    config = NetworkConfig(
        student=StudentConfig(blocks=(1, 1, 1), widths=(16, 16, 16)), weighting="image"
    )
    paper = D24FAD(config, build_teacher(config.teacher)).requires_grad_(False)
    scoring = ScoringConfig({MapKind.SELF_DISTILLATION: (1.0, 1.0, 1.0)})
    places = torch.arange(4)
    similarity = similarities(query[places], places, supports, scoring)
    assert not learnt_shares(paper)
    assert study_shares(paper, similarity, SHOTS).tolist() == pytest.approx([1 / SHOTS] * SHOTS)
    for key, values in distances(paper, similarity).items():
        torch.testing.assert_close(values, 1.0 - similarity[key].mean(dim=1))
    for key, values in distances(paper, similarity, [0, 2]).items():
        torch.testing.assert_close(values, 1.0 - similarity[key][:, [0, 2]].mean(dim=1))
