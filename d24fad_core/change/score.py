"""The map of changes: the difference of a pair in units of its own test-retest noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.change.noise import contrast_doubt, edge_strength, local_spread
from d24fad_core.change.pair import RegisteredPair
from d24fad_core.change.resolution import blurred

SCALES_MM = (0.8, 1.6)
"""Gaussian sigmas that the difference is looked at with: foci of 3 mm and what is larger."""


@dataclass(frozen=True, eq=False)
class ScoredPair:
    """How much a pair differs.

    Attributes:
        scores: (I, J, K) signed z, above 0 where the case is brighter; 0 outside.
        difference: the difference of intensities at the finest scale.
    """

    scores: NDArray[np.float32]
    difference: NDArray[np.float32]


def score_pair(pair: RegisteredPair) -> ScoredPair:
    """Score the difference of a pair: the scale that shows it best decides at each voxel."""
    depth = ndimage.distance_transform_edt(pair.inside, sampling=pair.spacing).astype(np.float32)
    raw = np.where(pair.inside, pair.case - pair.prior, np.float32(0.0))
    covered = pair.inside.astype(np.float32)
    doubt = contrast_doubt(pair.case, pair.prior, pair.inside)
    best = np.zeros(raw.shape, dtype=np.float32)
    finest = raw
    for number, sigma in enumerate(SCALES_MM):
        weights = np.maximum(blurred(covered, sigma, pair.spacing), 1e-3)
        difference = np.where(pair.inside, blurred(raw, sigma, pair.spacing) / weights, 0.0)
        difference = difference.astype(np.float32)
        edges = edge_strength(pair.case, pair.prior, sigma, pair.spacing)
        spread = local_spread(difference, edges, pair.inside, depth, pair.spacing)
        scores = difference / np.hypot(spread, doubt)
        best = np.where(np.abs(scores) > np.abs(best), scores, best)
        if number == 0:
            finest = difference
    return ScoredPair(np.where(pair.inside, best, np.float32(0.0)), finest)
