"""The two distillation losses (paper, section 3.3)."""

import torch.nn.functional as F
from torch import Tensor

from d24fad_core.networks.teacher import Features


def cosine_loss(first: Features, second: Features, *, per_position: bool) -> Tensor:
    """Sum over scales of the batch mean of 1 - cosine similarity.

    Args:
        first: features, (B, C, H, W) a scale.
        second: features of the same shapes.
        per_position: compare each position's channel vector and average over positions; False
            flattens C, H and W into one vector an image, as the paper does.
    """
    total = first[0].new_zeros(())
    for one, other in zip(first, second, strict=True):
        if per_position:
            similarity = F.cosine_similarity(one, other, dim=1)
        else:
            similarity = F.cosine_similarity(one.flatten(1), other.flatten(1), dim=1)
        total = total + (1.0 - similarity).mean()
    return total


def teacher_student_loss(
    student: Features, teacher: Features, *, per_position: bool = False
) -> Tensor:
    """TSD: the student's features of the query against the teacher's."""
    return cosine_loss(student, teacher, per_position=per_position)


def self_distillation_loss(
    student: Features, weighted_support: Features, *, per_position: bool = False
) -> Tensor:
    """SSD: the student's features of the query against its weighted features of the support."""
    return cosine_loss(student, weighted_support, per_position=per_position)
