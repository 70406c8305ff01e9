"""Weights of the maps learnt from abnormal and normal images of other tasks, by a non-negative
logistic regression on pairs, for `benchmarks.meta_learning`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from benchmarks.meta_learning.data import Table
from benchmarks.meta_learning.maps import MapKey
from d24fad_core.comparison.scoring import MapKind

_NEAREST_NEIGHBOUR: dict[tuple[MapKey, bool], float] = {
    (MapKey(MapKind.TEACHER_SUPPORT, "anywhere", 1), False): 1.0,
    (MapKey(MapKind.TEACHER_SUPPORT, "anywhere", 2), False): 1.0,
}
_DEFAULT: dict[tuple[MapKey, bool], float] = {
    **_NEAREST_NEIGHBOUR,
    (MapKey(MapKind.TEACHER_SUPPORT, "place", 1), True): 0.5,
    (MapKey(MapKind.TEACHER_SUPPORT, "place", 2), True): 0.5,
    (MapKey(MapKind.RESIDUAL, "place", 1), True): 0.25,
    (MapKey(MapKind.RESIDUAL, "place", 2), True): 0.25,
}
_PAIRS = 1000
_MOST_STEPS = 100


@dataclass(frozen=True)
class FusionConfig:
    """How weights are learnt.

    Attributes:
        pixels: from distances at pixels of pasted anomalies and elsewhere, instead of from pooled
            distances of images.
        poolings: how many of mean, highest 20 % and highest 5 % have weights of their own.
        pull: strength of the pull towards the default's weights.
        student: maps of the student have weights too.
    """

    pixels: bool
    poolings: int
    pull: float
    student: bool = False


@dataclass(frozen=True)
class FixedWeights:
    """Weights that are not learnt, of means over the foreground.

    Attributes:
        in_place: comparisons in place count as far as the support is aligned, as in the library's
            default; else nearest neighbour anywhere counts alone.
        student: maps of the student take part.
    """

    in_place: bool
    student: bool = False

    @property
    def poolings(self) -> int:
        """The mean alone."""
        return 1

    def weights(self, keys: Sequence[MapKey]) -> Tensor:
        """Weights of the columns of some maps, (columns,)."""
        weights = _DEFAULT if self.in_place else _NEAREST_NEIGHBOUR
        return torch.tensor([weights.get(column, 0.0) for column in columns(keys)])


DEFAULT = FixedWeights(in_place=True, student=True)
NEAREST_NEIGHBOUR = FixedWeights(in_place=False)


def columns(keys: Sequence[MapKey]) -> list[tuple[MapKey, bool]]:
    """What has a weight; True where it counts as far as the support images are aligned."""
    placed = [(key, True) for key in keys if key.reach in ("window", "place")]
    return [(key, False) for key in keys] + placed


def image_rows(table: Table, poolings: int) -> Tensor:
    """Pooled distances, (B, columns · poolings)."""
    return torch.cat([_columns(table.pooled[:, :, each], table) for each in range(poolings)], dim=1)


def _columns(values: Tensor, table: Table) -> Tensor:
    """(B, maps) to (B, columns)."""
    parts = [
        values[:, table.keys.index(key)] * (table.place_weight if aligned else 1.0)
        for key, aligned in columns(table.keys)
    ]
    return torch.stack(parts, dim=1)


def image_pairs(
    table: Table, normals: int, config: FusionConfig, random: np.random.Generator
) -> Tensor:
    """Abnormal less normal, of random pairs of images of a table, (pairs, columns · poolings).

    Args:
        table: distances of images to one support set; the first `normals` are normal.
        normals: how many.
        config: which poolings.
        random: where all chance comes from.
    """
    rows = image_rows(table, config.poolings)
    return _differences(rows[normals:], rows[:normals], random)


def pixel_pairs(table: Table, random: np.random.Generator) -> Tensor:
    """Pixels of anomalies less other pixels of the foreground, (pairs, columns)."""
    pixels = table.pixels.permute(0, 2, 1)
    abnormal, normal = pixels[table.masked], pixels[table.counted & ~table.masked]
    return _columns(_differences(abnormal, normal, random), table)


def _differences(abnormal: Tensor, normal: Tensor, random: np.random.Generator) -> Tensor:
    first, second = (
        torch.from_numpy(random.integers(len(part), size=_PAIRS)) for part in (abnormal, normal)
    )
    return abnormal[first] - normal[second]


def learn_weights(pairs: Tensor, keys: Sequence[MapKey], config: FusionConfig) -> Tensor:
    """Weights that are not negative, (columns · poolings,).

    Each pair costs softplus(-w·d), d being its difference: what differs between normal images is
    part of the loss, what only differs between support sets or tasks is not.
    """
    rows = pairs.double()
    spread = rows.std(dim=0).clamp_min(1e-6)
    rows = rows / spread
    means = DEFAULT.weights(keys)
    others = torch.zeros(len(means) * (config.poolings - 1))
    prior = torch.cat([means, others]).double() * spread
    prior = prior / prior.norm()

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.from_numpy(values.copy()).requires_grad_()
        weights, size = parameters[:-1], parameters[-1]
        total = F.softplus(-(rows @ weights)).mean()
        total = total + config.pull * ((weights - size * prior) ** 2).sum()
        (gradient,) = torch.autograd.grad(total, parameters)
        return total.item(), gradient.numpy()

    optimum = optimize.minimize(
        loss,
        np.append(prior.numpy(), 1.0),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * (len(prior) + 1),
        options={"maxiter": _MOST_STEPS},
    )
    return (torch.from_numpy(optimum.x[:-1]) / spread).float()


def restricted(table: Table, keys: tuple[MapKey, ...]) -> Table:
    """A table of some of the maps."""
    indices = [table.keys.index(key) for key in keys]
    return Table(
        keys,
        table.pooled[:, indices],
        table.pixels[:, indices],
        table.counted,
        table.masked,
        table.place_weight,
    )
