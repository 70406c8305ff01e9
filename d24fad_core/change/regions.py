"""From a map of changes to regions: where each change begins and ends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d24fad_core.change.pair import RegisteredPair
from d24fad_core.change.score import ScoredPair
from d24fad_core.regions import box_around, label_regions

_REACH_MM = 12.0
_PLATEAU = 0.9


@dataclass(frozen=True, eq=False)
class ChangedRegion:
    """A connected region that changed.

    Attributes:
        box: where `inside` lies in the arrays of the pair.
        inside: boolean, the region within the box: where at least half of the change is.
        peak: index of the highest score in the arrays of the pair.
        score: there, signed z.
        amount: typical difference of intensities in the middle of the region, signed.
    """

    box: tuple[slice, slice, slice]
    inside: NDArray[np.bool_]
    peak: tuple[int, int, int]
    score: float
    amount: float


def find_regions(
    pair: RegisteredPair, scored: ScoredPair, threshold: float, minimum_ml: float
) -> list[ChangedRegion]:
    """The regions that changed, by falling score.

    A region has its seed where scores pass the threshold, and ends where half of its change is
    left: then its size depends neither on the threshold nor on the noise.

    Args:
        pair: case and prior.
        scored: how much they differ.
        threshold: z of a seed.
        minimum_ml: smaller regions are dropped.
    """
    regions = []
    for sign in (1.0, -1.0):
        scores = scored.scores * np.float32(sign)
        seeds = label_regions(scores > threshold)
        covered = np.zeros(scores.shape, dtype=bool)
        for peak in _peaks(scores, seeds):
            if covered[peak]:
                continue
            region = _grow(pair, scored, seeds, peak, sign)
            covered[region.box] |= region.inside
            covered |= seeds == seeds[peak]
            if np.count_nonzero(region.inside) * pair.voxel_ml >= minimum_ml:
                regions.append(region)
    return sorted(regions, key=lambda region: -abs(region.score))


def _peaks(scores: NDArray[np.float32], seeds: NDArray[np.uint32]) -> list[tuple[int, ...]]:
    """Index of the highest score of each seed, by falling score."""
    # The seeds alone are sorted, where `scipy.ndimage.maximum_position` sorts all voxels.
    places = np.flatnonzero(seeds)
    falling = places[np.argsort(-scores.ravel()[places], kind="stable")]
    _, firsts = np.unique(seeds.ravel()[falling], return_index=True)
    highest = np.unravel_index(falling[np.sort(firsts)], scores.shape)
    return [tuple(int(each) for each in place) for place in zip(*highest, strict=True)]


def _grow(
    pair: RegisteredPair,
    scored: ScoredPair,
    seeds: NDArray[np.uint32],
    peak: tuple[int, ...],
    sign: float,
) -> ChangedRegion:
    place = (int(peak[0]), int(peak[1]), int(peak[2]))
    seed = seeds == seeds[place]
    box = box_around(seed, pair.spacing, _REACH_MM)
    differences = scored.difference[box] * np.float32(sign)
    amount = float(np.quantile(differences[seed[box]], _PLATEAU))
    half = (differences > amount / 2.0) & pair.inside[box]
    labels = label_regions(half)
    touched = np.unique(labels[seed[box] & half])
    inside = np.isin(labels, touched[touched > 0])
    return ChangedRegion(box, inside, place, float(scored.scores[place]), sign * amount)
