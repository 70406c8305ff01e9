"""Learn-to-weight: how much each support image, or each of its positions, counts for the query."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d24fad_core.networks.teacher import Features


@dataclass(frozen=True)
class WeightedSupport:
    """The support as learn-to-weight presents it to the query.

    Attributes:
        features: weighted support features, (B, C, H, W) a scale.
        shares: weight of each support image, (B, K) a scale; rows sum to 1.
    """

    features: Features
    shares: tuple[Tensor, ...]


class ImageWeighting(nn.Module):
    """Learn-to-weight of the paper: one weight per support image and scale (section 3.2).

    Keys are a 1x1 convolution of the support's student features; the query is the student's query
    feature as it is; the logit is their dot product over C, H and W, divided by sqrt(C).

    Args:
        channels: channels of the features, a scale each.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.keys = nn.ModuleList(nn.Conv2d(width, width, 1) for width in channels)

    def forward(self, query: Features, support: Features) -> WeightedSupport:
        """Weigh the support.

        Args:
            query: student features of the query, (B, C, H, W) a scale.
            support: student features of the support, (B, K, C, H, W) a scale.
        """
        weighted, shares = [], []
        for key, asked, offered in zip(self.keys, query, support, strict=True):
            channels = offered.shape[2]
            keys = key(offered.flatten(0, 1)).view_as(offered)
            logits = torch.einsum("bkchw,bchw->bk", keys, asked) * channels**-0.5
            share = logits.softmax(dim=1)
            weighted.append(torch.einsum("bk,bkchw->bchw", share, offered))
            shares.append(share)
        return WeightedSupport(tuple(weighted), tuple(shares))


@dataclass(frozen=True)
class SearchWindow:
    """How far around its own place a query position looks in the support.

    Attributes:
        radius: half-width in feature positions at strides 4, 8 and 16; None looks anywhere.
    """

    radius: tuple[int, int, int] | None = (2, 2, 1)


class PositionWeighting(nn.Module):
    """Learn-to-weight with one weight per position of each support image.

    Generalises the paper's weighting: every query position has its own softmax over the support
    positions in its search window, from the cosine of query and key divided by a learnt
    temperature, less a learnt penalty on the distance between the two places. Cosines replace the
    dot product over all of C·H·W, whose size makes the paper's softmax nearly one-hot.

    Args:
        channels: channels of the features, a scale each.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.keys = nn.ModuleList(_identity_projection(width) for width in channels)
        self.log_temperature = nn.Parameter(torch.full((len(channels),), -3.0))
        self.log_penalty = nn.Parameter(torch.full((len(channels),), -2.0))

    def forward(
        self, query: Features, support: Features, window: SearchWindow | None = None
    ) -> WeightedSupport:
        """Weigh the support.

        Args:
            query: student features of the query, (B, C, H, W) a scale.
            support: student features of the support, (B, K, C, H, W) a scale.
            window: where to look; None looks anywhere.
        """
        weighted, shares = [], []
        for scale, (asked, offered) in enumerate(zip(query, support, strict=True)):
            radius = window.radius[scale] if window and window.radius else None
            logits = self._logits(scale, asked, offered, radius)
            weights = logits.flatten(2).softmax(dim=-1).view_as(logits)
            weighted.append(_gather(weights, offered, radius))
            shares.append(weights.sum(dim=3).mean(dim=1))
        return WeightedSupport(tuple(weighted), tuple(shares))

    def _logits(self, scale: int, query: Tensor, support: Tensor, radius: int | None) -> Tensor:
        """Logits (B, H·W, K, P) over the P support positions that each query position sees."""
        batch, shots, _, height, width = support.shape
        keys = F.normalize(self.keys[scale](support.flatten(0, 1)), dim=1)
        keys = keys.view(batch, shots, -1, height, width)
        asked = F.normalize(query, dim=1)
        offsets = _place_offsets(height, width, radius).to(query)
        if radius is None:
            cosine = torch.einsum("bcp,bkcq->bpkq", asked.flatten(2), keys.flatten(3))
        else:
            cosine = torch.stack(
                [
                    torch.einsum("bchw,bkchw->bkhw", asked, shifted)
                    for shifted in _shifts(keys, radius)
                ],
                dim=-1,
            )
            cosine = cosine.flatten(2, 3).transpose(1, 2)
        penalty = self.log_penalty[scale].exp() * offsets[:, None, :]
        logits: Tensor = (cosine - penalty) / self.log_temperature[scale].exp()
        return logits


def _identity_projection(channels: int) -> nn.Conv2d:
    projection = nn.Conv2d(channels, channels, 1)
    nn.init.dirac_(projection.weight)
    if projection.bias is not None:
        nn.init.zeros_(projection.bias)
    return projection


def _place_offsets(height: int, width: int, radius: int | None) -> Tensor:
    """Squared distance, in units of the image side, (H·W or 1, P); infinite outside the image."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([rows, columns], dim=-1).flatten(0, 1).float()
    size = torch.tensor([height, width])
    if radius is None:
        return torch.cdist(places / size, places / size) ** 2
    span = torch.arange(-radius, radius + 1)
    steps = torch.stack(torch.meshgrid(span, span, indexing="ij"), dim=-1).flatten(0, 1)
    targets = places[:, None] + steps
    inside = ((targets >= 0) & (targets < size)).all(dim=-1)
    distance = ((steps / size) ** 2).sum(dim=-1).expand(len(places), -1)
    return torch.where(inside, distance, torch.inf)


def _shifts(features: Tensor, radius: int) -> list[Tensor]:
    """`features` (..., H, W) moved by each step of the window, zeros moved in."""
    height, width = features.shape[-2:]
    padded = F.pad(features, (radius, radius, radius, radius))
    return [
        padded[..., row : row + height, column : column + width]
        for row in range(2 * radius + 1)
        for column in range(2 * radius + 1)
    ]


def _gather(weights: Tensor, support: Tensor, radius: int | None) -> Tensor:
    """Weighted sum of support features, (B, C, H, W), for weights (B, H·W, K, P)."""
    height, width = support.shape[-2:]
    if radius is None:
        gathered = torch.einsum("bpkq,bkcq->bcp", weights, support.flatten(3))
        return gathered.view(*gathered.shape[:2], height, width)
    maps = weights.permute(3, 0, 2, 1)
    maps = maps.reshape(*maps.shape[:3], height, width)
    total = torch.zeros_like(support[:, 0])
    for share, shifted in zip(maps, _shifts(support, radius), strict=True):
        total = total + torch.einsum("bkhw,bkchw->bchw", share, shifted)
    return total
