"""Cases: a person with planted anomalies beside some normals.

A case is made on whole volumes, so that the normals can be brought into the person's shape by the
same deformation as in use, and the decoder meets what that does to a lesion. It takes a second or
two; cases are therefore kept in files, and slices, contrast, acquisition and mirroring are drawn
anew at each step, see `episodes`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.comparison.deformation import deform_to
from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.files import whole_file
from d24fad_core.training.decoder.acquisition import eroded, pose_again
from d24fad_core.training.decoder.anomalies import plant_anomaly
from d24fad_core.training.decoder.people import Group, TeachingData

EMPTY = 0.004
"""Intensities below this are outside a head."""
OTHER_MASK_SHARE = 0.3

_SHOTS = (2, 3, 4, 4, 4, 5, 6, 8)
_NORMAL_SHARE = 0.12
_NUMBERS, _NUMBER_SHARES = (1, 2, 3), (0.5, 0.3, 0.2)
_POSED_SHARE = 0.5
_LARGEST_DISPLACEMENT = 1.5
_FURTHEST_DONOR = 20
_LEVELS = 400.0
"""Steps of an intensity of 1 in a file."""


@dataclass(frozen=True, eq=False)
class Case:
    """One person and some normals.

    Attributes:
        query: (X, Y, Z) intensities in the units of `NormalStack`.
        normals: (K, X, Y, Z) those of the normals.
        abnormal: (X, Y, Z) bool, planted anomalies that can be seen.
        inside: (X, Y, Z) bool.
    """

    query: Tensor
    normals: Tensor
    abnormal: Tensor
    inside: Tensor


class CasePool:
    """Cases of one seed, made when they are first wanted.

    Args:
        data: who teaches.
        seed: equal seeds give equal cases.
        count: how many cases there are.
        folder: where they are kept; it belongs to this data, seed and kind alone.
        in_shape: bring the normals into the person's shape.
    """

    def __init__(
        self, data: TeachingData, seed: int, count: int, folder: Path, *, in_shape: bool
    ) -> None:
        self._data = data
        self._in_shape = in_shape
        self._seed = seed
        self._count = count
        self._folder = folder
        shares = np.array([group.share for group in data.groups])
        self._shares = shares / shares.sum()

    def __len__(self) -> int:
        return self._count

    def case(self, number: int) -> Case:
        """One of the cases, as its file holds it."""
        path = self._folder / f"{number:05d}.safetensors"
        case = _load(path)
        if case is None:
            rng = np.random.default_rng((self._seed, number))
            group = self._data.groups[rng.choice(len(self._shares), p=self._shares)]
            shapes = self._data.lesion_shapes
            _save(draw_case(rng, group, shapes, in_shape=self._in_shape), path)
            case = _load(path)
        if case is None:
            raise OSError(f"{path} cannot be read back; check the disk.")
        return case


def draw_case(
    rng: np.random.Generator, group: Group, lesion_shapes: tuple[Tensor, ...], *, in_shape: bool
) -> Case:
    """Plant anomalies into one of a group, and bring some others into the shape that results."""
    people = group.intensities
    shots = min(int(rng.choice(_SHOTS)), len(people) - 2)
    members = rng.permutation(len(people))[: shots + 2]
    query = people[members[0]]
    if rng.random() < _POSED_SHARE:
        query = pose_again(rng, query, rng.uniform(0.2, _LARGEST_DISPLACEMENT))
    inside = query > EMPTY
    if rng.random() < OTHER_MASK_SHARE:
        inside = eroded(inside)
    query = query * inside
    abnormal = torch.zeros_like(inside)
    moved = rng.integers(-_FURTHEST_DONOR, _FURTHEST_DONOR, 3).tolist()
    donor = torch.roll(people[members[-1]], tuple(moved), (0, 1, 2))
    for _ in range(_number_of_anomalies(rng)):
        planted = plant_anomaly(rng, query, inside, donor, _outline(rng, lesion_shapes))
        query, abnormal = planted.intensities, abnormal | planted.abnormal
    if not in_shape:
        return Case(query, people[members[1:-1]], abnormal, inside)
    stack = NormalStack.in_units(group.in_one_shape[members[1:-1]])
    return Case(query, deform_to(stack, query).intensities, abnormal, inside)


def _number_of_anomalies(rng: np.random.Generator) -> int:
    return 0 if rng.random() < _NORMAL_SHARE else int(rng.choice(_NUMBERS, p=_NUMBER_SHARES))


def _outline(rng: np.random.Generator, lesion_shapes: tuple[Tensor, ...]) -> Tensor | None:
    """A real lesion's outline, moved a little, in half of the cases to the other side."""
    if not lesion_shapes or rng.random() < 0.1:
        return None
    shape = lesion_shapes[rng.integers(len(lesion_shapes))]
    moved = rng.integers(-3, 4, 3).tolist()
    shape = torch.roll(shape, tuple(moved), (0, 1, 2))
    return shape.flip(0) if rng.random() < 0.5 else shape


def _save(case: Case, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    intensities = torch.cat([case.query[None], case.normals])
    tensors = {
        "intensities": (intensities * _LEVELS).round().to(torch.int16),
        "abnormal": case.abnormal.to(torch.uint8),
        "inside": case.inside.to(torch.uint8),
    }
    with whole_file(path) as temporary:
        save_tensors(tensors, temporary, {})


def _load(path: Path) -> Case | None:
    """A kept case; None where the file is absent or damaged, and it is made again."""
    try:
        with open_tensors(path) as tensors:
            intensities = tensors.get_tensor("intensities").float() / _LEVELS
            return Case(
                intensities[0],
                intensities[1:],
                tensors.get_tensor("abnormal").bool(),
                tensors.get_tensor("inside").bool(),
            )
    except (OSError, KeyError, ValueError):
        return None
