"""Learn-to-weight: how much each support image, or each of its positions, counts for the query."""

from dataclasses import dataclass

import torch
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


@dataclass(frozen=True, eq=False)
class PreparedSupport:
    """Support images as learn-to-weight needs them for any number of queries.

    Attributes:
        features: (K, H·W·C) a scale, student features of each support image.
        keys: the same of their keys, scaled as the logits are.
    """

    features: Features
    keys: Features


class ImageWeighting(nn.Module):
    """Learn-to-weight of the paper: one weight per support image and scale (section 3.2).

    Keys are a 1x1 convolution of the support's student features; the query is the student's query
    feature as it is; the logit is their dot product over C, H and W, divided by sqrt(C).

    Args:
        channels: channels of the features, a scale each.
        normalised_logits: divide the logit by sqrt(H·W) too. The sum over all positions grows with
            their number, and the published softmax is nearly one-hot once training has gone on.
    """

    def __init__(self, channels: tuple[int, ...], *, normalised_logits: bool = False) -> None:
        super().__init__()
        self.normalised_logits = normalised_logits
        self.keys = nn.ModuleList(nn.Conv2d(width, width, 1) for width in channels)

    def forward(self, query: Features, support: Features) -> WeightedSupport:
        """Weigh the support.

        Args:
            query: student features of the query, (B, C, H, W) a scale.
            support: student features of the support, (B, K, C, H, W) a scale.
        """
        weighted, shares = [], []
        for key, own, others in zip(self.keys, query, support, strict=True):
            keys = key(others.flatten(0, 1)).view_as(others)
            logits = torch.einsum("bkchw,bchw->bk", keys, own) * self._factor(others)
            share = logits.softmax(dim=1)
            weighted.append(torch.einsum("bk,bkchw->bchw", share, others))
            shares.append(share)
        return WeightedSupport(tuple(weighted), tuple(shares))

    def _factor(self, features: Tensor) -> float:
        """What dot products of features, (..., C, H, W), are multiplied by."""
        channels, height, width = features.shape[-3:]
        summands = channels * height * width if self.normalised_logits else channels
        return float(summands**-0.5)

    def prepare(self, support: Features) -> PreparedSupport:
        """Compute once what does not depend on the query.

        Args:
            support: student features of support images that all queries share, (K, C, H, W) a
                scale.
        """
        keys = tuple(
            _channels_last(key(others)) * self._factor(others)
            for key, others in zip(self.keys, support, strict=True)
        )
        return PreparedSupport(tuple(_channels_last(others) for others in support), keys)

    def weigh(self, query: Features, support: PreparedSupport) -> WeightedSupport:
        """Weigh a prepared support: two matrix products a scale, whatever the batch.

        Args:
            query: student features of the query, (B, C, H, W) a scale.
            support: from `prepare`.

        Returns:
            What `forward` returns for the same support repeated B times.
        """
        weighted, shares = [], []
        for own, others, keys in zip(query, support.features, support.keys, strict=True):
            batch, channels, height, width = own.shape
            share = (_channels_last(own) @ keys.T).softmax(dim=1)
            mixed = (share @ others).view(batch, height, width, channels)
            weighted.append(mixed.permute(0, 3, 1, 2))
            shares.append(share)
        return WeightedSupport(tuple(weighted), tuple(shares))


def _channels_last(features: Tensor) -> Tensor:
    """(B, C, H, W) as rows (B, H·W·C): no copy where memory already lies so."""
    return features.permute(0, 2, 3, 1).flatten(1)


class PositionWeighting(nn.Module):
    """Learn-to-weight with one weight per position of each support image.

    Generalises the paper's weighting. Every query position looks for its nearest neighbour by
    cosine in a window of each support image; the softmax of these similarities over the images,
    divided by a learnt temperature, says how much each image counts there. Cosines replace the
    dot product over all of C·H·W, whose size makes the paper's softmax nearly one-hot.

    Args:
        scales: number of scales, each with its own temperature.
    """

    def __init__(self, scales: int = 3) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.full((scales,), -3.0))

    def shares(self, similarity: Tensor, scale: int) -> Tensor:
        """Weight of each support image at each position.

        Args:
            similarity: (B, K, H, W), see `networks.nearest_neighbour`.
            scale: which scale's temperature applies.

        Returns:
            (B, K, H, W), summing to 1 over K.
        """
        # Similarities may lie on the CPU while the network is on a GPU.
        temperature = self.log_temperature[scale].exp().to(similarity.device)
        return (similarity / temperature).softmax(dim=1)

    def distance(self, similarity: Tensor, scale: int) -> Tensor:
        """Expected cosine distance to the support under the weights, (B, H, W)."""
        return expected_distance(self.shares(similarity, scale), similarity)


def expected_distance(shares: Tensor, similarity: Tensor) -> Tensor:
    """Expected cosine distance under weights, (B, H, W), both (B, K, H, W)."""
    return (shares * (1.0 - similarity)).sum(dim=1)
