"""Whether support images lie upon each other: anatomy does, texture does not."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from d24fad_core.comparison.features import SliceFeatures


def misalignment(support: Sequence[SliceFeatures]) -> float:
    """Distance of teacher features at the same place over distance half an image away.

    Near 1 for images without common places; well below 1 for aligned anatomy. No test image is
    needed.

    Args:
        support: features of at least two images, one slice each; the student's stand in where
            the teacher's were not kept.
    """
    ratios = []
    part = "teacher" if support[0].teacher else "student"
    for scale in getattr(support[0], part):
        features = torch.cat([getattr(image, part)[scale].float() for image in support])
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
