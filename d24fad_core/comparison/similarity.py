"""Distances between a query's features and those of the support, map by map."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from d24fad_core.comparison.features import (
    PreparedImages,
    SliceFeatures,
    StudyFeatures,
    UnitFeatures,
)
from d24fad_core.comparison.scoring import MapKey, MapKind, ScoringConfig
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.maps import distance_maps
from d24fad_core.networks.nearest_neighbour import highest_similarity
from d24fad_core.networks.weighting import PositionWeighting, expected_distance

Similarities = dict[MapKey, Tensor]
"""Per map: (B, K, H, W) similarity to each support study, or (B, 1, H, W) of the student to the
teacher where the map needs no support."""


def similarities(
    query: SliceFeatures, places: Tensor, supports: Sequence[StudyFeatures], scoring: ScoringConfig
) -> Similarities:
    """Compare a batch of query slices with the slices at the same place of each support study.

    Args:
        query: features of B slices.
        places: (B,) their slice numbers in the frame.
        supports: K studies in the same frame.
        scoring: which maps to make and how far to search.
    """
    reach = torch.tensor([-1, 0, 1] if scoring.neighbours else [0])
    slices = (places[:, None] + reach).clamp(0, len(supports[0]) - 1)
    # Neighbouring slices share their neighbours.
    rows, where = torch.unique(slices, return_inverse=True)
    unit = UnitFeatures(query)

    def searched(key: MapKey) -> Tensor:
        queries, radius = unit.of(key), scoring.radius(key[1])
        # One study after the other keeps the working set small.
        return torch.cat(
            [
                highest_similarity(
                    queries,
                    UnitFeatures(study.slices, rows).of(key)[:, where][:, :, None],
                    radius,
                )
                for study in supports
            ],
            dim=1,
        )

    return _similarities(query, scoring, searched)


def image_similarities(
    query: SliceFeatures, unit: UnitFeatures, supports: PreparedImages, scoring: ScoringConfig
) -> Similarities:
    """Compare one image with each support image.

    Args:
        query: its features, one slice.
        unit: the same of length 1, for all scorings that it is compared by.
        supports: K images.
        scoring: which maps to make and how far to search.
    """

    def searched(key: MapKey) -> Tensor:
        return highest_similarity(unit.of(key), supports.candidates(key), scoring.radius(key[1]))

    return _similarities(query, scoring, searched)


def _similarities(
    query: SliceFeatures, scoring: ScoringConfig, searched: Callable[[MapKey], Tensor]
) -> Similarities:
    result: Similarities = {}
    for key in scoring.keys:
        kind, scale = key
        if kind is MapKind.TEACHER_STUDENT:
            distance = distance_maps(
                (query.student[scale].float(),), (query.teacher[scale].float(),)
            )[0]
            result[key] = 1.0 - distance[:, None]
        else:
            result[key] = searched(key)
    return result


def distances(
    model: D24FAD, by_map: Mapping[MapKey, Tensor], members: Sequence[int] | None = None
) -> dict[MapKey, Tensor]:
    """Weigh the support studies at each position and take the expected distance.

    Args:
        model: whose learn-to-weight decides, see `learnt_shares`.
        by_map: see `similarities`.
        members: indices of the studies that count; None takes all.

    Returns:
        (B, H, W) a map.
    """
    result = {}
    for key, similarity in by_map.items():
        if key[0] is MapKind.TEACHER_STUDENT:
            result[key] = 1.0 - similarity[:, 0]
        else:
            part = similarity if members is None else similarity[:, list(members)]
            # Slice by slice: threads divide a batch by its size, and a value is rounded by where
            # it lies in its thread's part.
            rows = [part[row : row + 1] for row in range(len(part))]
            result[key] = torch.cat(
                [expected_distance(_shares(model, row, key[1]), row) for row in rows]
            )
    return result


def study_shares(model: D24FAD, by_map: Mapping[MapKey, Tensor], studies: int) -> Tensor:
    """Share of each support study, averaged over maps, slices and positions, (K,).

    Where no map compares with the support, nobody has a share.
    """
    shares = [
        _shares(model, similarity, key[1]).mean(dim=(0, 2, 3))
        for key, similarity in by_map.items()
        if key[0] is not MapKind.TEACHER_STUDENT
    ]
    return torch.stack(shares).mean(dim=0) if shares else torch.zeros(studies)


def learnt_shares(model: D24FAD) -> bool:
    """Whether a model has learnt how much each study counts at a position.

    The paper's weighting has one share an image and no notion of place. Studies compared place by
    place then count alike: what was learnt does not apply, and what applies was not learnt.
    """
    return isinstance(model.weighting, PositionWeighting)


def _shares(model: D24FAD, similarity: Tensor, scale: int) -> Tensor:
    """Weight of each study at each position, as `PositionWeighting.shares`."""
    if isinstance(model.weighting, PositionWeighting):
        return model.weighting.shares(similarity, scale)
    return torch.full_like(similarity, 1.0 / similarity.shape[1])
