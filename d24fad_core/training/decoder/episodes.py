"""Episodes: neighbouring slices of one person beside the same slices of some others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.comparison.support_channels import PLANE_AXES, slice_inputs, support_channels
from d24fad_core.training.decoder.acquisition import (
    draw_contrast,
    eroded,
    pose_again,
    scan_again,
)
from d24fad_core.training.decoder.anomalies import plant_anomaly
from d24fad_core.training.decoder.people import Group, TeachingData
from d24fad_core.volumes.volume import Plane

_SHOTS = (2, 3, 4, 4, 4, 5, 6, 8)
_MARGIN = 2
_FIRST_SLICE = 4
_EMPTY = 0.004
_FURTHEST_DONOR = 25
_FURTHEST_DONOR_SLICE = 12
# Voxels; normal people differ by their ventricles and sulci more than the few normals show.
_LARGEST_DISPLACEMENT = 2.2
_NORMAL_SHARE = 0.2
_TWO_ANOMALIES_SHARE = 0.2
_CONTRAST_SHARE = 0.4
_OTHER_MASK_SHARE = 0.3


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


@dataclass(frozen=True)
class _Block:
    """Neighbouring slices of a volume.

    Attributes:
        axes: of the volume, that of the slices first.
        first: number of the first slice.
        thickness: number of slices.
    """

    axes: tuple[int, int, int]
    first: int
    thickness: int

    def of(self, volume: Tensor, moved: int = 0) -> Tensor:
        """(thickness, H, W) of a volume, `moved` slices further on as far as it reaches."""
        depth = volume.shape[self.axes[0]]
        first = max(0, min(depth - self.thickness, self.first + moved))
        return volume.permute(*self.axes)[first : first + self.thickness]


def draw_batch(data: TeachingData, seed: int, step: int, episodes: int, slices: int) -> Batch:
    """The episodes of one step, all in one plane; they depend on seed and step alone."""
    rng = np.random.default_rng((seed, step))
    plane = list(Plane)[step % len(Plane)]
    shares = np.array([group.share for group in data.groups])
    parts = []
    for _ in range(episodes):
        group = data.groups[rng.choice(len(shares), p=shares / shares.sum())]
        parts.append(_episode(rng, group, data, plane, slices))
    return Batch(
        *(
            torch.cat([getattr(part, name) for part in parts])
            for name in ("inputs", "abnormal", "inside")
        )
    )


def _episode(
    rng: np.random.Generator, group: Group, data: TeachingData, plane: Plane, slices: int
) -> Batch:
    people = group.intensities
    shots = min(int(rng.choice(_SHOTS)), len(people) - 2)
    members = rng.permutation(len(people))[: shots + 2]
    depth = people.shape[1 + PLANE_AXES[plane][0]]
    first = int(rng.integers(_FIRST_SLICE, depth - _FIRST_SLICE - slices)) - _MARGIN
    block = _Block(PLANE_AXES[plane], first, slices + 2 * _MARGIN)
    heads = [block.of(people[member]) for member in members[:-1]]
    donor = _donor(rng, block, people[members[-1]])
    if rng.random() < _CONTRAST_SHARE:
        contrast = draw_contrast(rng)
        heads = [contrast(head) * (head > 0) for head in heads]
        donor = contrast(donor)
    query = heads[0]
    if rng.random() < 0.7:
        query = pose_again(rng, query, rng.uniform(0.2, _LARGEST_DISPLACEMENT))
    inside = query > _EMPTY
    if rng.random() < _OTHER_MASK_SHARE:
        inside = eroded(inside)
    normals = torch.stack([_normal(rng, head) for head in heads[1:]])
    abnormal = torch.zeros_like(inside)
    for _ in range(_number_of_anomalies(rng)):
        outline = _outline(rng, data.lesion_shapes, block)
        planted = plant_anomaly(rng, query, inside, donor, outline)
        query, abnormal = planted.intensities, abnormal | planted.abnormal
    query = scan_again(rng, query, inside, 1.0)
    channels = support_channels(query, normals, inside)
    inner = slice(_MARGIN, _MARGIN + slices)
    inputs = slice_inputs(channels, Plane.SAGITTAL)[inner]
    return _padded(_mirrored(rng, Batch(inputs, abnormal[inner].float(), inside[inner].float())))


def _donor(rng: np.random.Generator, block: "_Block", person: Tensor) -> Tensor:
    """Texture of another person from another place."""
    moved = int(rng.integers(-_FURTHEST_DONOR_SLICE, _FURTHEST_DONOR_SLICE))
    across = rng.integers(-_FURTHEST_DONOR, _FURTHEST_DONOR, 2)
    return torch.roll(block.of(person, moved), (int(across[0]), int(across[1])), (1, 2))


def _normal(rng: np.random.Generator, head: Tensor) -> Tensor:
    """A normal as another acquisition shows it, aligned to within a voxel."""
    if rng.random() < 0.3:
        moved = rng.integers(-1, 2, 2)
        head = torch.roll(head, (int(moved[0]), int(moved[1])), (1, 2))
    inside = head > _EMPTY
    if rng.random() < _OTHER_MASK_SHARE:
        inside = eroded(inside)
    return scan_again(rng, head, inside, 0.7)


def _number_of_anomalies(rng: np.random.Generator) -> int:
    if rng.random() < _NORMAL_SHARE:
        return 0
    return 2 if rng.random() < _TWO_ANOMALIES_SHARE else 1


def _outline(
    rng: np.random.Generator, lesion_shapes: Sequence[Tensor], block: "_Block"
) -> Tensor | None:
    """A real lesion's outline, moved a little."""
    if not lesion_shapes or rng.random() < 0.1:
        return None
    shape = lesion_shapes[rng.integers(len(lesion_shapes))]
    moved: NDArray[np.int64] = rng.integers(-3, 4, 3)
    shape = torch.roll(shape, tuple(moved.tolist()), (0, 1, 2))
    if rng.random() < 0.5:
        shape = shape.flip(0)
    return block.of(shape, int(rng.integers(-6, 7)))


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
