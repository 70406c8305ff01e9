"""Distances to a support set by what is compared, reach and stride, standardised by the supports'
leave-one-out, for `benchmarks.meta_learning`."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from d24fad_core.comparison.scoring import MapKind
from d24fad_core.networks.maps import to_image_size
from d24fad_core.networks.teacher import TeacherInfo

Features = Mapping[int, Tensor]
"""Scale index to features, (B, C, H, W)."""

Compared = Mapping[tuple[MapKind, int], Tensor]
"""What is compared with the support, by kind and scale: (B, C, H, W), of length 1 at each position.
Of `TEACHER_STUDENT` the distance itself, (B, 1, H, W), which needs no support."""


class MapKey(NamedTuple):
    """One map: what is compared, how far away a match may lie, and the index of the scale."""

    kind: MapKind
    reach: str
    scale: int


_RADII = (2, 2, 1)
"""Half-width of the window in feature positions, a scale each: those of self-distillation."""

SCALES = (1, 2)
"""Strides 8 and 16, those of the default."""

TEACHER_KEYS = tuple(
    MapKey(MapKind.TEACHER_SUPPORT, reach, scale)
    for reach in ("anywhere", "window", "place")
    for scale in SCALES
)
STUDENT_KEYS = (
    *(
        MapKey(MapKind.RESIDUAL, reach, scale)
        for reach in ("anywhere", "place")
        for scale in SCALES
    ),
    *(MapKey(MapKind.SELF_DISTILLATION, "window", scale) for scale in SCALES),
    *(MapKey(MapKind.TEACHER_STUDENT, "query", scale) for scale in range(3)),
)
_BLUR = 2.0
_FRACTIONS = (0.2, 0.05)
GRID = 4
"""Pixels between the places where maps are looked at one by one."""


def compared(
    teacher: Features, student: Features | None = None
) -> dict[tuple[MapKind, int], Tensor]:
    """What the maps of images compare.

    Args:
        teacher: the teacher's features.
        student: the student's prediction of them; None leaves its maps out.
    """
    parts: dict[tuple[MapKind, int], Tensor] = {}
    for scale, values in teacher.items():
        seen = F.normalize(values.float(), dim=1)
        parts[MapKind.TEACHER_SUPPORT, scale] = seen
        if student is not None:
            predicted = F.normalize(student[scale].float(), dim=1)
            parts[MapKind.SELF_DISTILLATION, scale] = predicted
            parts[MapKind.RESIDUAL, scale] = F.normalize(seen - predicted, dim=1)
            parts[MapKind.TEACHER_STUDENT, scale] = 1.0 - (seen * predicted).sum(
                dim=1, keepdim=True
            )
    return parts


def distance_maps(
    query: Compared, support: Compared, keys: tuple[MapKey, ...]
) -> dict[MapKey, Tensor]:
    """Cosine distance to the nearest support position within reach, (B, H, W) a map.

    Args:
        query: of B images.
        support: of the support images.
        keys: which maps.
    """
    distances: dict[MapKey, Tensor] = {}
    for kind, scale in dict.fromkeys((key.kind, key.scale) for key in keys):
        reaches = [key.reach for key in keys if (key.kind, key.scale) == (kind, scale)]
        queries, references = query[kind, scale], support[kind, scale]
        for reach, values in _by_reach(queries, references, reaches, _RADII[scale]).items():
            distances[MapKey(kind, reach, scale)] = values
    return {key: distances[key] for key in keys}


def _by_reach(
    queries: Tensor, references: Tensor, reaches: list[str], radius: int
) -> dict[str, Tensor]:
    batch, channels, height, width = queries.shape
    distances: dict[str, Tensor] = {}
    if {"anywhere", "window"} & set(reaches):
        rows = queries.flatten(2).transpose(1, 2)
        columns = references.permute(1, 0, 2, 3).reshape(channels, -1)
        # (B, H·W, H·W): the nearest of the support images at each of their positions.
        nearest = (rows @ columns).view(batch, height * width, -1, height * width).amax(dim=2)
        distances["anywhere"] = 1.0 - nearest.amax(dim=2).view(batch, height, width)
        hidden = nearest + _outside(height, width, radius)
        distances["window"] = 1.0 - hidden.amax(dim=2).view(batch, height, width)
    if "place" in reaches:
        distances["place"] = 1.0 - torch.einsum("bchw,kchw->bkhw", queries, references).amax(dim=1)
    if "query" in reaches:
        distances["query"] = queries[:, 0]
    return {reach: distances[reach] for reach in reaches}


@cache
def _outside(height: int, width: int, radius: int) -> Tensor:
    """0 within the window and far below any cosine outside it, (H·W, H·W)."""
    rows = torch.arange(height).repeat_interleave(width)
    columns = torch.arange(width).repeat(height)
    apart = torch.maximum((rows[:, None] - rows).abs(), (columns[:, None] - columns).abs())
    return torch.where(apart > radius, -4.0, 0.0)


def normal_units(support: Compared, keys: tuple[MapKey, ...]) -> dict[MapKey, Tensor]:
    """Mean distance of each support image from the others: the unit of a map."""
    count = len(next(iter(support.values())))
    sums: dict[MapKey, list[Tensor]] = {key: [] for key in keys}
    for left in range(count):
        others = [other for other in range(count) if other != left]
        alone = {key: values[left : left + 1] for key, values in support.items()}
        rest = {key: values[others] for key, values in support.items()}
        for key, values in distance_maps(alone, rest, keys).items():
            sums[key].append(values.mean())
    return {key: torch.stack(parts).mean().clamp_min(1e-6) for key, parts in sums.items()}


@cache
def _along(size: int, scale: int, teacher: TeacherInfo, image_size: int) -> Tensor:
    """Along one axis, from a map to the blurred map at image size, (image_size, size).

    Maps are enlarged and blurred as the product does it, which acts on rows and columns alike.
    """
    stride, centre = teacher.strides[scale], teacher.centres[scale]
    rows = torch.eye(size)[:, :, None].expand(-1, -1, size)
    enlarged = to_image_size(rows, stride, centre, image_size)[:, :, 0].T
    return _blur_matrix(image_size) @ enlarged


@cache
def _blur_matrix(size: int) -> Tensor:
    """Gaussian blur along one axis, continued by the border values, cut at three sigmas."""
    radius = int(3.0 * _BLUR + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets / _BLUR) ** 2)
    matrix = torch.zeros(size, size)
    for offset, weight in zip(offsets.tolist(), (weights / weights.sum()).tolist(), strict=True):
        matrix[torch.arange(size), (torch.arange(size) + offset).clamp(0, size - 1)] += weight
    return matrix


def mean_weights(foreground: Tensor, size: int, scale: int, teacher: TeacherInfo) -> Tensor:
    """Weights that turn a map, (B, size, size), into the mean of the blurred map at image size.

    Args:
        foreground: (B, N, N) bool, where the mean is taken.
        size: positions a side.
        scale: index of the scale.
        teacher: its strides and centres.

    Returns:
        (B, size, size).
    """
    along = _along(size, scale, teacher, foreground.shape[-1])
    inside = foreground.float()
    return (along.T @ inside @ along) / inside.sum(dim=(1, 2))[:, None, None]


def at_grid(maps: Tensor, scale: int, teacher: TeacherInfo, image_size: int) -> Tensor:
    """Blurred maps at every `GRID`-th pixel of the image, (B, P, P), from (B, H, W)."""
    along = _along(maps.shape[-1], scale, teacher, image_size)[::GRID]
    return along @ maps @ along.T


def pooled_maps(maps: Mapping[MapKey, Tensor], foreground: Tensor, teacher: TeacherInfo) -> Tensor:
    """Mean over the foreground, and over its highest 20 % and 5 %, of each map, (B, maps, 3).

    The mean is exact, the others are taken on a grid.

    Args:
        maps: (B, H, W) a map.
        foreground: (B, N, N) bool.
        teacher: strides and centres of the scales.
    """
    coarse = foreground[:, ::GRID, ::GRID]
    sizes = coarse.flatten(1).sum(dim=1)
    counts = [(fraction * sizes).round().long().clamp_min(1) for fraction in _FRACTIONS]
    weights = {
        key.scale: mean_weights(foreground, values.shape[-1], key.scale, teacher)
        for key, values in maps.items()
    }
    pooled = []
    for key, values in maps.items():
        sampled = at_grid(values, key.scale, teacher, foreground.shape[-1])
        ordered = torch.where(coarse, sampled, 0.0).flatten(1).sort(descending=True).values
        sums = ordered.cumsum(dim=1)
        tops = [sums.gather(1, count[:, None] - 1)[:, 0] / count for count in counts]
        pooled.append(torch.stack([(values * weights[key.scale]).sum(dim=(1, 2)), *tops], dim=1))
    return torch.stack(pooled, dim=1)
