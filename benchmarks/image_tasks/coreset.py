"""A baseline after PatchCore: distance of each patch to a coreset of the support's patches.

After Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022: features of
two scales, averaged over their neighbourhood and joined at the finer one; a coreset chosen by
greedy k-centre selection in a random projection; Euclidean distance to the nearest member. Left
out is the re-weighting of the image score by how crowded the nearest member's neighbourhood is,
since scores here are pooled in several ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sklearn.random_projection import SparseRandomProjection
from torch import Tensor

from d24fad_core.comparison.features import SliceFeatures


@dataclass(frozen=True)
class CoresetConfig:
    """The baseline's choices.

    Attributes:
        scales: index of the finer and of the coarser scale (strides 8 and 16).
        share: share of the support's patches that is kept.
        projected: dimensions of the random projection.
        blur: Gaussian sigma of the map in image pixels (PatchCore: 4).
        seed: seed of the projection and of the first patch.
    """

    scales: tuple[int, int] = (1, 2)
    share: float = 0.25
    projected: int = 128
    blur: float = 4.0
    seed: int = 0


class Coreset:
    """The patches that stand for the support.

    Args:
        support: features of each support image.
        config: choices.
    """

    def __init__(self, support: Sequence[SliceFeatures], config: CoresetConfig) -> None:
        self._config = config
        patches = torch.cat([_patches(image, config).flatten(0, 1) for image in support])
        self._coreset = patches[_spread_out(patches, config)]

    def distances(self, query: SliceFeatures) -> Tensor:
        """Distance to the coreset at each patch, (H, W) of the finer scale."""
        return torch.cdist(_patches(query, self._config), self._coreset).amin(dim=-1)


def _patches(image: SliceFeatures, config: CoresetConfig) -> Tensor:
    """Features of each patch of one image, (H, W, C)."""
    fine, coarse = (image.teacher[scale].float() for scale in config.scales)
    fine, coarse = (F.avg_pool2d(scale, 3, stride=1, padding=1) for scale in (fine, coarse))
    size = (fine.shape[2], fine.shape[3])
    coarse = F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
    return torch.cat([fine, coarse], dim=1)[0].permute(1, 2, 0)


def _spread_out(patches: Tensor, config: CoresetConfig) -> Tensor:
    """Indices of a coreset: always the patch that is farthest from those chosen before."""
    projection = SparseRandomProjection(
        min(config.projected, patches.shape[1]), random_state=config.seed
    )
    points = torch.from_numpy(projection.fit_transform(patches.numpy())).float()
    generator = torch.Generator().manual_seed(config.seed)
    indices = [int(torch.randint(len(points), (1,), generator=generator))]
    nearest = (points - points[indices[0]]).norm(dim=1)
    for _ in range(max(1, round(config.share * len(points))) - 1):
        indices.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (points - points[indices[-1]]).norm(dim=1))
    return torch.tensor(indices)
