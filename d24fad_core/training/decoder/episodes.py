"""Episodes: neighbouring slices of a case, as another scanner would show them."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from d24fad_core.comparison.support_channels import PLANE_AXES, slice_inputs, support_channels
from d24fad_core.training.decoder.acquisition import draw_contrast, eroded, scan_again
from d24fad_core.training.decoder.cases import EMPTY, OTHER_MASK_SHARE, Case, CasePool
from d24fad_core.volumes.volume import Plane

_MARGIN = 2
_FIRST_SLICE = 4
_ABNORMAL_SHARE = 0.75
"""Of the episodes of a case with an anomaly, those that lie on it."""
_CONTRAST_SHARE = 0.4
_MOVED_SHARE = 0.18


@dataclass(frozen=True, eq=False)
class Batch:
    """Slices that teach one step.

    Attributes:
        inputs: (B, channels, H, W) for the decoder.
        abnormal: (B, H, W) float32, 1 where an anomaly was planted.
        inside: (B, H, W) float32, 1 inside the query.
    """

    inputs: Tensor
    abnormal: Tensor
    inside: Tensor


def draw_batch(cases: CasePool, seed: int, step: int, episodes: int, slices: int) -> Batch:
    """The episodes of one step, all in one plane; they depend on cases, seed and step alone."""
    rng = np.random.default_rng((seed, step))
    plane = list(Plane)[step % len(Plane)]
    parts = [
        cut_episode(rng, cases.case(int(rng.integers(len(cases)))), plane, slices)
        for _ in range(episodes)
    ]
    return Batch(
        *(
            torch.cat([getattr(part, name) for part in parts])
            for name in ("inputs", "abnormal", "inside")
        )
    )


def cut_episode(rng: np.random.Generator, case: Case, plane: Plane, slices: int) -> Batch:
    """Neighbouring slices of a case in another contrast and acquisition."""
    axes = PLANE_AXES[plane]
    block = _block(rng, case.abnormal.permute(*axes), slices)
    inside = case.inside.permute(*axes)[block]
    abnormal = case.abnormal.permute(*axes)[block]
    heads = [head.permute(*axes)[block] for head in (case.query, *case.normals)]
    if rng.random() < _CONTRAST_SHARE:
        contrast = draw_contrast(rng)
        heads = [contrast(head) * (head > 0) for head in heads]
    query = scan_again(rng, heads[0], inside, 1.0)
    normals = torch.stack([_normal(rng, head) for head in heads[1:]])
    channels = support_channels(query, normals, inside)
    inner = slice(_MARGIN, _MARGIN + slices)
    inputs = slice_inputs(channels, Plane.SAGITTAL)[inner]
    return _padded(_mirrored(rng, Batch(inputs, abnormal[inner].float(), inside[inner].float())))


def _block(rng: np.random.Generator, abnormal: Tensor, slices: int) -> slice:
    """Neighbouring slices with a margin, mostly on an anomaly, (D, H, W)."""
    depth = len(abnormal)
    with_anomaly = abnormal.flatten(1).any(dim=1).nonzero()[:, 0]
    if len(with_anomaly) and rng.random() < _ABNORMAL_SHARE:
        first = int(with_anomaly[rng.integers(len(with_anomaly))]) - int(rng.integers(slices))
    else:
        first = int(rng.integers(_FIRST_SLICE, depth - _FIRST_SLICE - slices))
    first = max(_MARGIN, min(depth - _MARGIN - slices, first))
    return slice(first - _MARGIN, first + slices + _MARGIN)


def _normal(rng: np.random.Generator, head: Tensor) -> Tensor:
    """A normal as another acquisition shows it, aligned to within a voxel."""
    if rng.random() < _MOVED_SHARE:
        moved = rng.integers(-1, 2, 2)
        head = torch.roll(head, (int(moved[0]), int(moved[1])), (1, 2))
    inside = head > EMPTY
    if rng.random() < OTHER_MASK_SHARE:
        inside = eroded(inside)
    return scan_again(rng, head, inside, 0.7)


def _mirrored(rng: np.random.Generator, batch: Batch) -> Batch:
    """Slices in the other order, and, in half of the episodes, mirrored in the plane."""
    axes = [axis for axis in range(3) if rng.random() < 0.5]
    if rng.random() < 0.5:
        axes = [axis for axis in axes if axis == 0]
    inputs, abnormal, inside = batch.inputs, batch.abnormal, batch.inside
    for axis in axes:
        inputs = inputs.flip(0 if axis == 0 else axis + 1)
        if axis == 0:  # before and after change places
            inputs = torch.cat([inputs[:, :-2], inputs[:, -1:], inputs[:, -2:-1]], dim=1)
        abnormal, inside = abnormal.flip(axis), inside.flip(axis)
    return Batch(inputs, abnormal, inside)


def _padded(batch: Batch) -> Batch:
    """Height and width as the decoder's strides want them."""
    height, width = batch.inputs.shape[-2:]
    border = (0, -width % 8, 0, -height % 8)
    return Batch(
        F.pad(batch.inputs, border), F.pad(batch.abnormal, border), F.pad(batch.inside, border)
    )
