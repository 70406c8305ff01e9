"""Maps of cosine distance between features, and their way to image size."""

import torch
import torch.nn.functional as F
from torch import Tensor

from d24fad_core.networks.teacher import Features


def distance_maps(first: Features, second: Features) -> tuple[Tensor, ...]:
    """1 - cosine similarity at each position, (B, H, W) a scale."""
    return tuple(
        1.0 - F.cosine_similarity(one, other, dim=1)
        for one, other in zip(first, second, strict=True)
    )


def paper_anomaly_map(query: Features, weighted_support: Features, image_size: int) -> Tensor:
    """Anomaly map of the paper before its blur (section 3.4), (B, image_size, image_size).

    Distances of the scales are brought to image size by bilinear interpolation with aligned
    corners and summed.
    """
    total = query[0].new_zeros(())
    for distances in distance_maps(query, weighted_support):
        total = total + F.interpolate(
            distances[:, None], size=image_size, mode="bilinear", align_corners=True
        )
    return total[:, 0]


def to_image_size(maps: Tensor, stride: int, centre: float, image_size: int) -> Tensor:
    """Bring maps of one scale to image size, each feature back over the pixel it is centred on.

    Args:
        maps: (B, H, W).
        stride: stride of the scale.
        centre: input pixel that feature 0 is centred on (`TeacherInfo.centres`).
        image_size: N.

    Returns:
        (B, N, N), bilinear, continued by its border values.
    """
    positions = (torch.arange(image_size, dtype=maps.dtype) - centre) / stride
    rows = _interpolation_matrix(positions, maps.shape[1]).to(maps)
    columns = _interpolation_matrix(positions, maps.shape[2]).to(maps)
    return rows @ maps @ columns.T


def _interpolation_matrix(positions: Tensor, length: int) -> Tensor:
    clamped = positions.clamp(0, length - 1)
    return (1.0 - (clamped[:, None] - torch.arange(length)).abs()).clamp_min(0.0)
