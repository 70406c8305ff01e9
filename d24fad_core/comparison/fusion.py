"""From standardised maps of several kinds and scales to one map of image size, and to scores."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from d24fad_core.comparison.scoring import MapKey, ScoringConfig
from d24fad_core.networks.maps import to_image_size
from d24fad_core.networks.teacher import TeacherInfo


def fuse(
    maps: dict[MapKey, Tensor], scoring: ScoringConfig, teacher: TeacherInfo, image_size: int
) -> Tensor:
    """Weighted sum of maps at image size.

    Args:
        maps: (B, H, W) a map.
        scoring: weights.
        teacher: strides and centres of the scales.
        image_size: N.

    Returns:
        (B, N, N).
    """
    total = torch.zeros(())
    for key, values in maps.items():
        stride, centre = teacher.strides[key[1]], teacher.centres[key[1]]
        total = total + scoring.weight(key) * to_image_size(values, stride, centre, image_size)
    return total


def blur(maps: Tensor, scoring: ScoringConfig, thickness: float | None) -> Tensor:
    """Gaussian blur in plane and, for stacks of slices, through them.

    Args:
        maps: (S, N, N).
        scoring: sigmas.
        thickness: distance between slices in mm; None keeps each slice to itself.
    """
    through = scoring.blur_mm / thickness if thickness else 0.0
    sigma = (through, scoring.blur, scoring.blur)
    blurred = ndimage.gaussian_filter(maps.numpy(), sigma, mode="nearest", truncate=3.0)
    return torch.from_numpy(np.ascontiguousarray(blurred))


def centred(maps: Tensor, foreground: Tensor) -> Tensor:
    """Maps, (S, N, N), less their mean over the foreground: what a case has all over."""
    inside = maps[foreground]
    return maps - inside.mean() if inside.numel() else maps


def top_mean(values: Tensor, fraction: float) -> float:
    """Mean of the highest share of values, of one value at least; 0 where there are none."""
    if values.numel() == 0:
        return 0.0
    count = max(1, round(fraction * values.numel()))
    if count == values.numel():
        return float(values.mean())
    return float(values.topk(count).values.mean())


def case_score(inside: Tensor, scoring: ScoringConfig) -> float:
    """Score of a study: mean of the highest `case_fraction` of its foreground's scores."""
    return top_mean(inside, scoring.case_fraction)


def slice_scores(
    heatmap: NDArray[np.float32], axis: int, scoring: ScoringConfig
) -> tuple[float, ...]:
    """Score of each slice: mean of the highest `slice_fraction` of its foreground voxels.

    Args:
        heatmap: (I, J, K), exactly 0 outside the foreground.
        axis: axis that the slices are stacked along.
        scoring: which share counts.
    """
    scores = []
    for values in np.moveaxis(heatmap, axis, 0):
        inside = torch.from_numpy(values[values != 0])
        scores.append(top_mean(inside, scoring.slice_fraction))
    return tuple(scores)
