"""Whether support images lie upon each other: anatomy does, texture does not."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from d24fad_core.support.features import SliceFeatures


def misalignment(support: Sequence[SliceFeatures]) -> float:
    """Teacher distance at the same place over teacher distance half an image away.

    Near 1 for images without common places; well below 1 for aligned anatomy. No test image is
    needed.

    Args:
        support: features of at least two images, one slice each.
    """
    ratios = []
    for scale in support[0].teacher:
        features = torch.cat([image.teacher[scale].float() for image in support])
        unit = F.normalize(features, dim=1)
        height, width = unit.shape[2:]
        moved = torch.roll(unit, (height // 2, width // 2), dims=(2, 3))
        ratios.append(_mean_distance(unit, unit) / max(_mean_distance(unit, moved), 1e-6))
    return sum(ratios) / len(ratios)


def _mean_distance(first: Tensor, second: Tensor) -> float:
    """Mean cosine distance over all pairs of different images."""
    similarity = torch.einsum("ichw,jchw->ij", first, second) / first[0, 0].numel()
    different = ~torch.eye(len(first), dtype=torch.bool)
    return float((1.0 - similarity)[different].mean())
