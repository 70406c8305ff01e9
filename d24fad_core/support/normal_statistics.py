"""Mean and spread of each map over normals, by place in the body.

A map's value means little by itself: cortex differs more between healthy people than white matter
does. Each support study is compared with the others (leave-one-out); mean and spread of these
distances at the same place are the units of the query's map.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from d24fad_core.networks.d24fad import D24FAD, EncodedImages
from d24fad_core.support.comparison import distances, similarities
from d24fad_core.support.features import CHUNK, StudyFeatures
from d24fad_core.support.matching import matched_slices
from d24fad_core.support.scoring import MapKey, ScoringConfig

PLACES = 40
"""Places along the body at which normals are compared; about every 4 mm of a head."""

STRIDES = (4, 8, 16)


@dataclass(frozen=True, eq=False)
class NormalStatistics:
    """Units of the maps.

    Attributes:
        mean: (P, H, W) a map, mean distance of normals at each place.
        spread: the same for the standard deviation.
    """

    mean: dict[MapKey, Tensor]
    spread: dict[MapKey, Tensor]

    def standardise(self, found: dict[MapKey, Tensor], places: Tensor) -> dict[MapKey, Tensor]:
        """Bring maps to z units.

        Args:
            found: (B, H, W) a map.
            places: (B,) relative positions of the slices, 0 to 1.
        """
        standardised = {}
        for key, values in found.items():
            rows = (places * (len(self.mean[key]) - 1)).round().long()
            standardised[key] = (values - self.mean[key][rows]) / self.spread[key][rows]
        return standardised


@dataclass(frozen=True, eq=False)
class NormalComparisons:
    """Every support study at `PLACES` places against every other.

    Attributes:
        similarity: per study a and map, (P, K, H, W); entry a of study a itself is unused.
        foreground: (P, N, N) bool a study.
    """

    similarity: tuple[dict[MapKey, Tensor], ...]
    foreground: tuple[Tensor, ...]

    def leave_one_out(
        self, model: D24FAD, study: int, others: Sequence[int]
    ) -> dict[MapKey, Tensor]:
        """Distance maps of one study against some others, (P, H, W) a map."""
        return distances(model, self.similarity[study], others)


def compare_normals(
    studies: Sequence[StudyFeatures], scoring: ScoringConfig, places: int = PLACES
) -> NormalComparisons:
    """Compare every support study with every other at evenly spaced places."""
    collected, foregrounds = [], []
    for query in studies:
        rows = (torch.linspace(0, 1, places) * (len(query) - 1)).round().long()
        matches = [
            matched_slices(len(query), len(other), other.thickness, scoring.neighbours)
            for other in studies
        ]
        parts = []
        for start in range(0, places, CHUNK):
            chosen = rows[start : start + CHUNK]
            encoded = EncodedImages(
                tuple(scale[chosen].float() for scale in query.teacher),
                tuple(scale[chosen].float() for scale in query.student),
            )
            found = similarities(encoded, studies, [match[chosen] for match in matches], scoring)
            parts.append(found)
        collected.append({key: torch.cat([part[key] for part in parts]) for key in parts[0]})
        foregrounds.append(query.foreground[rows])
    return NormalComparisons(tuple(collected), tuple(foregrounds))


def summarise_normals(
    model: D24FAD,
    comparisons: NormalComparisons,
    members: Sequence[int],
    scoring: ScoringConfig,
) -> NormalStatistics:
    """Mean and spread over some of the studies, each against the rest of them.

    Local variances of a handful of normals are noisy, so they are smoothed over neighbouring
    places and drawn towards the map's mean variance by `variance_floor`.

    Args:
        model: whose learn-to-weight decides.
        comparisons: see `compare_normals`.
        members: indices of at least two studies.
        scoring: how to smooth.
    """
    runs = [
        comparisons.leave_one_out(model, study, [other for other in members if other != study])
        for study in members
    ]
    mean, spread = {}, {}
    for key in scoring.keys:
        values = torch.stack([run[key] for run in runs])
        sigma = scoring.statistic_blur / STRIDES[key[1]]
        centre = values.mean(dim=0)
        variance = _smooth(((values - centre) ** 2).mean(dim=0), scoring, sigma)
        floor = scoring.variance_floor
        variance = (variance + floor * variance.mean()) / (1.0 + floor)
        mean[key] = _smooth(centre, scoring, sigma)
        spread[key] = variance.clamp_min(1e-12).sqrt()
    return NormalStatistics(mean, spread)


def _smooth(values: Tensor, scoring: ScoringConfig, sigma: float) -> Tensor:
    places = scoring.statistic_blur_places if len(values) > 1 else 0.0
    smoothed = ndimage.gaussian_filter(values.numpy(), (places, sigma, sigma), mode="nearest")
    return torch.from_numpy(np.ascontiguousarray(smoothed))
