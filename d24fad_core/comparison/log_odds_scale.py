"""From the decoder's log-odds to scores in z, measured against the normals' own log-odds."""

from collections.abc import Sequence

import torch
from torch import Tensor

from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.volumes.volume import Plane

BRIGHT_ML = 1.0
"""Where more than half of the normals have more than this above the threshold, it rises."""

DARK_ML = 0.5
"""Where more than half of the normals have less than this above the threshold, it falls."""

CASE_ML = 1.0
"""A case's score is the mean over so much of its highest voxels."""

_SMALLEST_SPREAD = 0.25
LARGEST_FALL = 2.6
"""The threshold falls by at most so much: the first chosen one lay so far above even odds."""

OUTLINE_FALL = 2.0
"""Outlines reach to at most so much below the decoder's own threshold."""


def measure_scale(
    normals: Sequence[Tensor],
    threshold: float,
    voxel_ml: float,
    least: float | None = None,
    outline: float | None = None,
) -> ScoreScale:
    """Measure the normals against each other.

    The threshold is the decoder's own, as far as the normals bear it out. Where more than half of
    them have more than `BRIGHT_ML` above it, each against the others, as where the decoder does
    not know their contrast, it rises until they have not; where more than half have less than
    `DARK_ML`, it falls until they have not, but not below the least one. A single abnormal
    normal moves it neither way.

    Args:
        normals: leave-one-out log-odds inside each normal study, (V,) each.
        threshold: the decoder's, in log-odds.
        voxel_ml: volume of a voxel.
        least: to which it may fall; None takes `LARGEST_FALL` less than the threshold.
        outline: log-odds that outlines may fall to; None takes `OUTLINE_FALL` less than the
            threshold.
    """
    together = torch.cat(list(normals))
    centre = float(together.mean())
    spread = max(float(together.std()), _SMALLEST_SPREAD)
    lowest = sorted(_level(values, BRIGHT_ML / voxel_ml) for values in normals)
    highest = sorted(_level(values, DARK_ML / voxel_ml) for values in normals)
    count = len(normals)
    ceiling = max(highest[count // 2], threshold - LARGEST_FALL if least is None else least)
    level = min(max(threshold, lowest[(count - 1) // 2]), ceiling)
    return ScoreScale(
        planes=frozenset(Plane),
        centre=centre,
        spread=spread,
        threshold=(level - centre) / spread,
        lowest_outline=((threshold - OUTLINE_FALL if outline is None else outline) - centre)
        / spread,
        case_scores=tuple(score_case((values - centre) / spread, voxel_ml) for values in normals),
        peak_scores=tuple((float(values.max()) - centre) / spread for values in normals),
    )


def _level(values: Tensor, voxels: float) -> float:
    """What so many of the values reach."""
    return float(values.topk(min(max(1, round(voxels)), len(values))).values[-1])


def score_case(scores: Tensor, voxel_ml: float) -> float:
    """Mean of the highest scores inside a study, (V,)."""
    count = min(max(1, round(CASE_ML / voxel_ml)), len(scores))
    return float(scores.topk(count).values.mean())
