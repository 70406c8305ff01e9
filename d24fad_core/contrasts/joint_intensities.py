"""What the contrasts of a person say together: which intensities belong together.

A tissue has its intensity in each contrast, wherever it lies. A lesion may be as bright as grey
matter in one contrast and as fluid in another, and nothing normal is both. So what a place shows in
all contrasts at once is held against what every place nearby shows in every normal, and the most
similar one counts: a fold that lies otherwise is no worse for it. Outliers of joint intensities are
how lesions have long been found in several contrasts (Van Leemput et al., IEEE TMI 2001).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.comparison.normal_stack import NormalStack, PlacedStudy, stack_normals
from d24fad_core.detection.calibration import NORMAL_VOXEL_SHARE

REACH_MM = 8.0
"""How far a place is looked for; see docs/contrasts.md."""
_STEP_MM = 4.0
_TO_DEVIATION = 1.4826
_SMALLEST_SPREAD = 0.01
"""Of the brightest tissue."""
_SAMPLES = 200_000
_UNLIKE_ANYTHING = 1e6
"""In spreads."""
_SMALLEST_UNIT = 1e-3

Spacing = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class JointNormals:
    """Normal people, each in the same contrasts, on one grid.

    Attributes:
        people: (K, C, X, Y, Z), see `PlacedStudy`.
        spacing: size of a voxel in mm.
        centre: mean of the distances of each normal from the others.
        unit: what above that counts as 1.
    """

    people: Tensor
    spacing: Spacing
    centre: float
    unit: float

    def scores(self, distances: Tensor) -> Tensor:
        """Distances in units of the normals' own; 0 where nothing was compared."""
        scores = (distances - self.centre) / self.unit
        return torch.where(distances > 0, scores, torch.zeros(()))

    def distances(self, person: Sequence[PlacedStudy]) -> Tensor:
        """How far another person is from these.

        Args:
            person: in the same contrasts on the same grid.

        Returns:
            (X, Y, Z), in spreads; 0 where a contrast shows nothing or there is no normal nearby.
        """
        return self._fitted.distances(person)

    @cached_property
    def _fitted(self) -> "_FittedPeople":
        return _FittedPeople(self.people, self.spacing)


def join_normals(people: Tensor, spacing: Spacing, level: float) -> tuple[JointNormals, Tensor]:
    """Measure normal people against each other.

    Args:
        people: (K, C, X, Y, Z), see `PlacedStudy`, 0 outside.
        spacing: size of a voxel in mm.
        level: score that they are to reach in `NORMAL_VOXEL_SHARE` of their voxels. The tail of
            distances is long, at the surface above all, so their deviation would be no unit.

    Returns:
        The normals, and the distance of each from the others, (K, X, Y, Z).
    """
    distances = _FittedPeople(people, spacing).held_out()
    compared = distances[distances > 0]
    centre = float(compared.mean()) if len(compared) else 0.0
    unit = (highest_of_normals(compared) - centre) / level if len(compared) else 1.0
    return JointNormals(people, spacing, centre, max(unit, _SMALLEST_UNIT)), distances


def highest_of_normals(values: Tensor) -> float:
    """What `NORMAL_VOXEL_SHARE` of the normals' voxels reach."""
    count = max(1, round(NORMAL_VOXEL_SHARE * len(values)))
    return float(values.topk(count).values[-1])


class _FittedPeople:
    """Normal people in one unit of intensity.

    Args:
        people: see `JointNormals`.
        spacing: likewise.
    """

    def __init__(self, people: Tensor, spacing: Spacing) -> None:
        self._spacing = spacing
        self._stacks: list[NormalStack] = [
            stack_normals([PlacedStudy(study, study > 0) for study in contrast])
            for contrast in people.transpose(0, 1)
        ]
        self._spreads = torch.stack([_spread(stack) for stack in self._stacks])
        self._people = self._in_spreads(
            torch.stack([stack.intensities for stack in self._stacks], dim=1)
        )

    def distances(self, person: Sequence[PlacedStudy]) -> Tensor:
        """See `JointNormals.distances`."""
        fitted = [stack.fitted(study) for stack, study in zip(self._stacks, person, strict=True)]
        return _nearest(self._in_spreads(torch.stack(fitted)), self._people, self._spacing)

    def held_out(self) -> Tensor:
        """(K, X, Y, Z) of each normal from the others."""
        numbers = range(len(self._people))
        others = [[other for other in numbers if other != number] for number in numbers]
        return torch.stack(
            [
                _nearest(self._people[number], self._people[others[number]], self._spacing)
                for number in numbers
            ]
        )

    def _in_spreads(self, intensities: Tensor) -> Tensor:
        """(..., C, X, Y, Z), 0 where one of the contrasts shows nothing."""
        inside = (intensities > 0).all(dim=-4, keepdim=True)
        return intensities / self._spreads[:, None, None, None] * inside


def _spread(stack: NormalStack) -> Tensor:
    """How much normals differ from their mean, robustly."""
    inside = (stack.intensities > 0).all(dim=0)
    apart = (stack.intensities - stack.intensities.mean(dim=0)).abs()[:, inside].flatten()
    if not len(apart):
        return torch.tensor(_SMALLEST_SPREAD)
    middle = apart[:: max(1, len(apart) // _SAMPLES)].median()
    return (_TO_DEVIATION * middle).clamp_min(_SMALLEST_SPREAD)


def _nearest(person: Tensor, normals: Tensor, spacing: Spacing) -> Tensor:
    """Distance from the most similar place nearby.

    Args:
        person: (C, X, Y, Z) in spreads, 0 where nothing is compared.
        normals: (K, C, X, Y, Z) likewise.
        spacing: size of a voxel in mm.
    """
    offsets = _offsets(spacing)
    pad = np.abs(offsets).max(axis=0)
    inside = (normals > 0).all(dim=1, keepdim=True)
    around = F.pad(
        normals.masked_fill(~inside, _UNLIKE_ANYTHING),
        [int(pad[axis]) for axis in (2, 2, 1, 1, 0, 0)],
        value=_UNLIKE_ANYTHING,
    )
    shape = person.shape[1:]
    nearest = torch.full(shape, torch.inf)
    for normal, offset in itertools.product(around, offsets + pad):
        box = tuple(
            slice(int(low), int(low) + size) for low, size in zip(offset, shape, strict=True)
        )
        apart = torch.zeros(shape)
        for own, other in zip(person, normal, strict=True):
            difference = own - other[box]
            apart.addcmul_(difference, difference)
        torch.minimum(nearest, apart, out=nearest)
    compared = (person > 0).all(dim=0) & (nearest < _UNLIKE_ANYTHING)
    return torch.where(compared, nearest.sqrt(), torch.zeros(()))


def _offsets(spacing: Spacing) -> NDArray[np.int64]:
    """(N, 3) places nearby, in voxels, about `_STEP_MM` apart."""
    steps = [max(1, round(_STEP_MM / size)) for size in spacing]
    reaches = [
        int(REACH_MM / (size * step) + 1e-6) for size, step in zip(spacing, steps, strict=True)
    ]
    lattice = np.array(list(itertools.product(*(range(-far, far + 1) for far in reaches))))
    near = np.linalg.norm(lattice * steps * spacing, axis=1) <= REACH_MM + 1e-6
    offsets: NDArray[np.int64] = lattice[near] * np.array(steps)
    return offsets
