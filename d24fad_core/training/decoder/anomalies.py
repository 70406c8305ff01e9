"""Anomalies that are planted into normal people, so that the decoder learns what is not normal.

They are no model of any disease: what is taught is that something differs from the normals by its
intensity, its texture or its shape, from one voxel to a third of the organ. The generators that
measure the decoder (benchmarks) were written apart from this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.comparison.normal_stack import BRIGHTEST
from d24fad_core.training.decoder.fields import displaced, positions, smooth_noise, white_noise

_LARGEST_RADIUS = 14.0
_FEWEST_PLACES = 20
_LEAST_SHARE = 0.4
# Shares of the brightest tissue. White and grey matter of T1 lie about 0.26 apart, and a reader
# sees half of that; fainter labels only teach doubt.
_LEAST_CHANGE = 0.07
_FAINTEST_SHIFT = 0.1
_STRONGEST_SHIFT = 0.5


@dataclass(frozen=True, eq=False)
class PlantedAnomaly:
    """A block with an anomaly.

    Attributes:
        intensities: (D, H, W).
        abnormal: (D, H, W) bool, where the anomaly can be seen.
    """

    intensities: Tensor
    abnormal: Tensor


def plant_anomaly(
    rng: np.random.Generator,
    intensities: Tensor,
    inside: Tensor,
    donor: Tensor,
    lesion_shape: Tensor | None,
) -> PlantedAnomaly:
    """Plant one mass, several foci, or a real lesion's shape.

    Args:
        rng: drives it.
        intensities: (D, H, W) of a normal person.
        inside: (D, H, W) bool.
        donor: (D, H, W) texture from another place or person.
        lesion_shape: (D, H, W) share of each voxel that a real lesion's outline covers; may be
            empty, and None where no outlines are at hand.
    """
    places = _places(inside)
    if places is None:
        return PlantedAnomaly(intensities, torch.zeros_like(inside))
    share = _share(rng, inside.shape, places, lesion_shape)
    if rng.random() < 0.1:
        tissue = float(intensities[tuple(places[rng.integers(len(places))])])
        width = rng.uniform(0.1, 0.25)
        share = share * torch.exp(-(((intensities - tissue) / width) ** 2) / 4.0)
    changed = _recoloured(rng, intensities, share, donor)
    if rng.random() < 0.15:
        changed = _bulged(rng, changed, share)
    if rng.random() < 0.3:
        changed = changed + white_noise(rng, changed.shape) * rng.uniform(0.0, 0.03) * share
    changed = torch.where(inside, changed.clamp(0.0, BRIGHTEST), intensities)
    difference = (changed - intensities).abs()
    if float(share.sum()) > 40.0:
        difference = F.avg_pool3d(difference[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
    visible = (share > _LEAST_SHARE) & inside & (difference > _LEAST_CHANGE)
    return PlantedAnomaly(changed, visible)


def _places(inside: Tensor) -> Tensor | None:
    """Voxels where an anomaly may have its centre: away from the first and last slices."""
    voxels = inside.nonzero()
    voxels = voxels[(voxels[:, 0] >= 2) & (voxels[:, 0] < len(inside) - 2)]
    return voxels if len(voxels) >= _FEWEST_PLACES else None


def _share(
    rng: np.random.Generator, shape: Sequence[int], places: Tensor, lesion_shape: Tensor | None
) -> Tensor:
    """Share of each voxel's signal that is the anomaly's, 0 to 1."""

    def blob(smallest: float, largest: float) -> Tensor:
        radius = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
        centre = places[rng.integers(len(places))].numpy() + rng.uniform(-0.5, 0.5, 3)
        return _blob(rng, shape, centre, radius)

    kind = rng.choice(["mass", "foci", "outline"], p=[0.65, 0.2, 0.15])
    if kind == "mass":
        return blob(1.2, _LARGEST_RADIUS)
    if kind == "outline" and lesion_shape is not None and float(lesion_shape.sum()) >= 1.0:
        return lesion_shape
    blobs = [blob(0.8, 4.0) for _ in range(int(rng.integers(2, 5)))]
    return torch.stack(blobs).amax(0)


def _blob(
    rng: np.random.Generator, shape: Sequence[int], centre: NDArray[np.float64], radius: float
) -> Tensor:
    """An ellipsoid in any direction with an uneven outline and a hard or soft edge."""
    stretch = np.exp(rng.uniform(-0.35, 0.35, 3))
    stretch *= radius / stretch.prod() ** (1 / 3)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    scaled = torch.from_numpy((turn / stretch[:, None]).astype(np.float32))
    offsets = positions(shape) - torch.from_numpy(centre.astype(np.float32))[:, None, None, None]
    distance = (scaled @ offsets.reshape(3, -1)).square().sum(0).sqrt().reshape(tuple(shape))
    unevenness = rng.uniform(0.0, 0.35)
    if radius > 1.5:
        outline = smooth_noise(rng, shape, max(radius * rng.uniform(0.4, 1.0), 1.5))
        distance = distance * (1.0 + unevenness * outline.clamp(-2.0, 2.0))
    hard = rng.random() < 0.7
    edge = max(rng.uniform(0.4, 2.0) / radius, 0.02) if hard else rng.uniform(0.1, 0.6)
    return torch.sigmoid((1.0 - distance) / edge * 2.0)


def _recoloured(
    rng: np.random.Generator, intensities: Tensor, share: Tensor, donor: Tensor
) -> Tensor:
    """Another value, a shift, a relative change, another texture, or a core with a rim."""
    kind = rng.choice(
        ["value", "shift", "relative", "texture", "composite"], p=[0.3, 0.4, 0.08, 0.12, 0.1]
    )
    strength = float(rng.uniform(0.3, 1.0))
    sign = float(rng.choice([-1.0, 1.0]))
    # As many faint ones as strong ones: those that are missed are the faint.
    shift = float(np.exp(rng.uniform(np.log(_FAINTEST_SHIFT), np.log(_STRONGEST_SHIFT))))
    texture = smooth_noise(rng, share.shape, rng.uniform(1.2, 6.0)) * float(rng.uniform(0.0, 0.08))
    if kind == "value":
        target = _target(rng, intensities) + texture
        return intensities + strength * share * (target - intensities)
    if kind == "shift":
        plain = float(rng.uniform(0.0, 1.0))
        mean = (share * intensities).sum() / share.sum().clamp_min(1e-3)
        return intensities + share * (sign * shift + plain * (mean - intensities) + texture)
    if kind == "relative":
        factor = share * (sign * float(rng.uniform(0.2, 0.6))) + 1.0
        relative: Tensor = intensities * factor + share * texture
        return relative
    if kind == "texture":
        replaced: Tensor = intensities + share * (donor - intensities)
        return replaced
    core = (share > rng.uniform(0.55, 0.95)).float()
    core = F.avg_pool3d(core[None, None], 3, 1, 1)[0, 0]
    inner, outer = rng.uniform(0.0, 1.35, 2).tolist()
    target = outer + (inner - outer) * core + texture
    composite: Tensor = intensities + share * strength * (target - intensities)
    return composite


def _target(rng: np.random.Generator, intensities: Tensor) -> float:
    """The value of another tissue, or any."""
    tissue = intensities[intensities > 0]
    if len(tissue) and rng.random() < 0.5:
        return float(tissue[rng.integers(len(tissue))])
    return float(rng.uniform(0.0, 1.35))


def _bulged(rng: np.random.Generator, intensities: Tensor, share: Tensor) -> Tensor:
    """Tissue pushed away from the anomaly, or drawn towards it."""
    soft = F.avg_pool3d(share[None, None], 5, 1, 2)[0, 0]
    slope = torch.stack(torch.gradient(soft))
    amount = rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 3.0) * soft.clamp(0.0, 1.0)
    direction = slope / slope.norm(dim=0).clamp_min(1e-4)
    return displaced(intensities, positions(share.shape) + direction * amount, beyond="border")
