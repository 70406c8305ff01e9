"""From the decoder's log-odds to scores in z, measured against the normals' own log-odds."""

from collections.abc import Sequence

import torch
from torch import Tensor

from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.volumes.volume import Plane

TOLERATED_ML = 0.3
"""What half of the people whom a decoder's threshold is chosen on may have above it."""

BRIGHT_ML = 1.0
"""Normals of whom half have more than this above the threshold raise it."""

CASE_ML = 1.0
"""A case's score is the mean over so much of its highest voxels."""

_SMALLEST_SPREAD = 0.25


def measure_scale(normals: Sequence[Tensor], threshold: float, voxel_ml: float) -> ScoreScale:
    """Measure the normals against each other.

    The threshold is the decoder's own, unless more than half of these normals have more than
    `BRIGHT_ML` above it, as where the decoder does not know their contrast: then it rises until
    they have not. Each normal is compared with one normal less than a case is and stands out more,
    so that a stricter rule costs lesions (on people who do not teach, half of the Dice).

    Args:
        normals: leave-one-out log-odds inside each normal study, (V,) each.
        threshold: the decoder's, in log-odds.
        voxel_ml: volume of a voxel.
    """
    together = torch.cat(list(normals))
    centre = float(together.mean())
    spread = max(float(together.std()), _SMALLEST_SPREAD)
    tolerated = max(1, round(BRIGHT_ML / voxel_ml))
    reached = [float(values.topk(min(tolerated, len(values))).values[-1]) for values in normals]
    middle = sorted(reached)[(len(reached) - 1) // 2]
    return ScoreScale(
        planes=frozenset(Plane),
        centre=centre,
        spread=spread,
        threshold=(max(threshold, middle) - centre) / spread,
        case_scores=tuple(score_case((values - centre) / spread, voxel_ml) for values in normals),
        peak_scores=tuple((float(values.max()) - centre) / spread for values in normals),
    )


def score_case(scores: Tensor, voxel_ml: float) -> float:
    """Mean of the highest scores inside a study, (V,)."""
    count = min(max(1, round(CASE_ML / voxel_ml)), len(scores))
    return float(scores.topk(count).values.mean())
