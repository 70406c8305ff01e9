"""A metric of the teacher's features learnt in episodes with pasted anomalies, for
`benchmarks.meta_learning`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.meta_learning.data import ImageSet, MetaTask, episode_rows, place_weight
from benchmarks.meta_learning.maps import mean_weights
from d24fad_core.networks.teacher import TeacherInfo

SCALES = (1, 2)
"""Strides 8 and 16, those of the default."""

_CHUNK = 32
_PIXEL_PAIRS = 2000

Maps = Mapping[int, Tensor]
"""Scale index to a map, (B, H, W), or to features of unit length, (B, C, H, W)."""


@dataclass(frozen=True)
class MetricConfig:
    """How a metric is learnt.

    Attributes:
        mixing: a matrix a scale, the identity at first, instead of a weight a channel.
        pull: strength of the pull towards the teacher's own metric.
        image: share of the loss that ranks scores of images; the rest ranks pixels.
        steps: episodes.
        queries: normal, and as many pasted, images of an episode.
    """

    mixing: bool
    pull: float
    image: float = 0.5
    steps: int = 200
    queries: int = 12

    @property
    def learning_rate(self) -> float:
        """Of Adam: a matrix has many more entries than there are channels."""
        return 0.003 if self.mixing else 0.02


class Metric(nn.Module):
    """Weighs or mixes the channels of each scale before features are brought to length 1.

    Args:
        mixing: see `MetricConfig`.
        channels: of each of the teacher's scales.
    """

    def __init__(self, mixing: bool, channels: Sequence[int]) -> None:
        super().__init__()
        widths = [channels[scale] for scale in SCALES]
        self.changes = nn.ParameterList(
            nn.Parameter(torch.zeros((width, width) if mixing else (width,))) for width in widths
        )

    def forward(self, features: Sequence[Tensor]) -> dict[int, Tensor]:
        """Features of unit length, (B, C, H, W) a scale, from the teacher's at all scales."""
        projected = {}
        for scale, change in zip(SCALES, self.changes, strict=True):
            values = F.normalize(features[scale].float(), dim=1)
            if change.ndim == 1:
                values = values * change.exp()[:, None, None]
            else:
                values = values + torch.einsum("dc,bchw->bdhw", change, values)
            projected[scale] = F.normalize(values, dim=1)
        return projected

    def distance_from_teacher(self) -> Tensor:
        """Sum of the squared changes."""
        return torch.stack([(change**2).sum() for change in self.changes]).sum()


def fused_maps(query: Maps, support: Maps, aligned: float) -> dict[int, Tensor]:
    """The maps of `default_without_student`, weighted, (B, H, W) a scale; differentiable.

    Args:
        query: features of unit length.
        support: the same of K support images.
        aligned: how much comparisons in place count, 0 to 1.
    """
    result = {}
    for scale in SCALES:
        references = support[scale]
        alone = []
        for left in range(len(references)):
            others = [other for other in range(len(references)) if other != left]
            alone.append(_distances(references[left : left + 1], references[others]))
        units = [torch.cat(each).mean().clamp_min(1e-6) for each in zip(*alone, strict=True)]
        anywhere, placed = _distances(query[scale], references)
        result[scale] = anywhere / units[0] + aligned * 0.5 * placed / units[1]
    return result


def _distances(query: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine distance to the nearest position anywhere, and in place, (B, H, W)."""
    batch, channels, height, width = query.shape
    queries = query.flatten(2).transpose(1, 2)
    references = support.permute(0, 2, 3, 1).reshape(-1, channels)
    with torch.no_grad():
        nearest = (queries @ references.T).argmax(dim=2)
    anywhere = 1.0 - (queries * references[nearest]).sum(dim=2)
    placed = 1.0 - torch.einsum("bchw,kchw->bkhw", query, support).amax(dim=1)
    return anywhere.view(batch, height, width), placed


def image_scores(
    metric: Metric, images: ImageSet, support: ImageSet, teacher: TeacherInfo
) -> Tensor:
    """Scores of images against a support set, (B,)."""
    parts, aligned = [], place_weight(support)
    with torch.inference_mode():
        references = metric(support.features)
        for start in range(0, len(images), _CHUNK):
            part = images[start : start + _CHUNK]
            maps = fused_maps(metric(part.features), references, aligned)
            parts.append(_pool(maps, part.foreground, teacher))
    return torch.cat(parts)


def _pool(maps: Maps, foreground: Tensor, teacher: TeacherInfo) -> Tensor:
    means = [
        (values * mean_weights(foreground, values.shape[-1], scale, teacher)).sum(dim=(1, 2))
        for scale, values in maps.items()
    ]
    return torch.stack(means).sum(dim=0)


def learn_metric(
    tasks: Sequence[MetaTask],
    held_out: int,
    config: MetricConfig,
    teacher: TeacherInfo,
    seed: int = 0,
) -> Metric:
    """Learn on some tasks.

    Args:
        tasks: what to learn on.
        held_out: index of the task that is held out; nothing pasted from it is used.
        config: how to learn.
        teacher: description of the teacher.
        seed: of all chance.
    """
    random = np.random.default_rng(seed)
    metric = Metric(config.mixing, teacher.channels)
    optimiser = torch.optim.Adam(metric.parameters(), config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    for step in range(config.steps):
        task = tasks[step % len(tasks)]
        rows = episode_rows(task, held_out, random, config.queries)
        loss = _episode_loss(metric, task, rows, config.image, teacher, random)
        loss = loss + config.pull * metric.distance_from_teacher()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return metric.requires_grad_(False)


def _episode_loss(
    metric: Metric,
    task: MetaTask,
    rows: tuple[Tensor, Tensor, Tensor],
    image_share: float,
    teacher: TeacherInfo,
    random: np.random.Generator,
) -> Tensor:
    support, count = task.normals[rows[0]], len(rows[1])
    images = task.normals[rows[1]] + task.pasted[rows[2]]
    maps = fused_maps(metric(images.features), metric(support.features), place_weight(support))
    scores = _pool(maps, images.foreground, teacher)
    # In units of the spread of normal images, which is thereby part of the loss.
    ranked = (scores[count:, None] - scores[:count]) / scores[:count].std().clamp_min(1e-4)
    size = maps[SCALES[0]].shape[-1]
    fused = maps[SCALES[0]] + F.interpolate(maps[SCALES[1]][:, None], size=size)[:, 0]
    inside = _share(images.foreground, size) > 0.5
    covered = _share(torch.cat([torch.zeros_like(task.masks[:count]), task.masks[rows[2]]]), size)
    normal, abnormal = fused[inside & (covered < 0.05)], fused[covered > 0.5]
    first, second = (
        torch.from_numpy(random.integers(len(part), size=_PIXEL_PAIRS))
        for part in (abnormal, normal)
    )
    apart = (abnormal[first] - normal[second]) / normal.std().clamp_min(1e-4)
    return (
        image_share * F.softplus(-ranked).mean() + (1.0 - image_share) * F.softplus(-apart).mean()
    )


def _share(mask: Tensor, size: int) -> Tensor:
    """Share of each feature position that a mask covers, (B, size, size)."""
    return F.adaptive_avg_pool2d(mask.float()[:, None], size)[:, 0]
