"""What distances are normal: from comparing every support study with the others.

A map's value means little by itself: cortex differs more between healthy people than white matter
does, and the scales of a network have different ranges. Each support study is compared with the
others (leave-one-out). The mean distance over all places is the unit of a map, and a part of the
mean at the same place is taken off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from d24fad_core.comparison.features import CHUNK, StudyFeatures
from d24fad_core.comparison.scoring import MapKey, ScoringConfig
from d24fad_core.comparison.similarity import distances, similarities
from d24fad_core.networks.d24fad import D24FAD

SLICES = 48
"""Slices that normals are compared at; more would repeat their neighbours."""


@dataclass(frozen=True, eq=False)
class NormalStatistics:
    """Units of the maps.

    Attributes:
        offset: (S, H, W) a map, what is taken off at each slice and position.
        unit: mean distance of normals, a map.
    """

    offset: dict[MapKey, Tensor]
    unit: dict[MapKey, float]

    def standardise(self, by_map: dict[MapKey, Tensor], places: Tensor) -> dict[MapKey, Tensor]:
        """Bring distance maps, (B, H, W), of slices `places`, (B,), to units of the normals."""
        return {
            key: (values - self.offset[key][places]) / self.unit[key]
            for key, values in by_map.items()
        }


@dataclass(frozen=True, eq=False)
class NormalComparisons:
    """Every support study against every other.

    Attributes:
        places: (P,) slice numbers in the frame that were compared.
        slices: number of slices in the frame.
        similarity: per study and map, (P, K, H, W); a study's similarity to itself is unused.
        foreground: (P, N, N) bool a study.
    """

    places: Tensor
    slices: int
    similarity: tuple[dict[MapKey, Tensor], ...]
    foreground: tuple[Tensor, ...]

    def leave_one_out(
        self, model: D24FAD, study: int, others: Sequence[int]
    ) -> dict[MapKey, Tensor]:
        """Distance maps, (P, H, W), of one study against some others."""
        return distances(model, self.similarity[study], others)


def compared_places(slices: int) -> Tensor:
    """(P,) the slices of a frame that normals are compared at."""
    return torch.linspace(0, slices - 1, min(slices, SLICES)).round().long()


def compare_normals(studies: Sequence[StudyFeatures], scoring: ScoringConfig) -> NormalComparisons:
    """Compare every support study with every other at up to `SLICES` evenly spaced slices."""
    count = len(studies[0])
    places = compared_places(count)
    collected = []
    for query in studies:
        parts = []
        for start in range(0, len(places), CHUNK):
            block = places[start : start + CHUNK]
            parts.append(similarities(query.slices[block], block, studies, scoring))
        collected.append({key: torch.cat([part[key] for part in parts]) for key in parts[0]})
    foreground = tuple(study.foreground[places] for study in studies)
    return NormalComparisons(places, count, tuple(collected), foreground)


def summarise_normals(
    model: D24FAD, comparisons: NormalComparisons, members: Sequence[int], scoring: ScoringConfig
) -> NormalStatistics:
    """Mean distances over some of the studies, each against the rest of them.

    Args:
        model: whose learn-to-weight decides.
        comparisons: see `compare_normals`.
        members: indices of at least two studies.
        scoring: how much to take off, and how smooth.
    """
    runs = [
        comparisons.leave_one_out(model, study, [other for other in members if other != study])
        for study in members
    ]
    return statistics_of(model, runs, comparisons.places, comparisons.slices, scoring)


def statistics_of(
    model: D24FAD,
    runs: Sequence[dict[MapKey, Tensor]],
    places: Tensor,
    slices: int,
    scoring: ScoringConfig,
) -> NormalStatistics:
    """Units from distance maps of normals against other normals.

    Args:
        model: whose teacher has the strides.
        runs: (P, H, W) a map, for each normal.
        places: (P,) the slices that were compared.
        slices: number of slices in the frame.
        scoring: how much to take off, and how smooth.
    """
    nearest = torch.linspace(0, len(places) - 1, slices).round().long()
    offset, unit = {}, {}
    for key in scoring.keys:
        mean = torch.stack([run[key] for run in runs]).mean(dim=0)
        stride = model.teacher.info.strides[key[1]]
        sigma = scoring.mean_blur / stride
        through = scoring.mean_blur_slices if slices > 1 else 0.0
        smooth = ndimage.gaussian_filter(mean.numpy(), (through, sigma, sigma), mode="nearest")
        smooth = torch.from_numpy(np.ascontiguousarray(smooth))
        offset[key] = (scoring.subtracted * smooth)[nearest]
        unit[key] = float(mean.mean().clamp_min(1e-6))
    return NormalStatistics(offset, unit)
