"""Bringing the intensities of one study to those of another, whatever is abnormal in it."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Below this share of the ratio of interquartile ranges a slope says that voxels do not agree: it is
# .88 and more for people of one scanner, .55 for simulated heads, .2 and less across the two.
_LEAST_SHARE = 0.5
_ROUNDS = 8
_SAMPLES = 60_000
_SMALLEST_VARIANCE = 1e-9


@dataclass(frozen=True)
class IntensityMatch:
    """A linear map of intensities: `gain * value + offset`."""

    gain: float
    offset: float

    def __call__(self, values: Tensor) -> Tensor:
        """The values in the other study's units."""
        return values * self.gain + self.offset


def match_intensities(
    study: Tensor, reference: Tensor, inside: Tensor, agreeing: float = 0.7
) -> IntensityMatch:
    """Fit one study to another on the voxels that agree best.

    Least squares, trimmed: a lesion, however large or bright, is among the voxels that agree
    least and has no say. A study's own percentiles would let it shift all healthy tissue. The
    fit begins with the ratio of the medians, so both studies are near 0 where nothing is.

    Where hardly anything agrees, voxel by voxel, least squares would flatten the study. Medians
    and interquartile ranges are fitted instead.

    Args:
        study: (D, H, W) values to be mapped.
        reference: (D, H, W) values to be reached, in the same place.
        inside: (D, H, W) bool, voxels that both studies show.
        agreeing: share of them that decides.

    Returns:
        The map; the identity where nothing is inside or the study is constant there.
    """
    values, targets = study[inside].double(), reference[inside].double()
    if values.numel() > _SAMPLES:
        every = torch.linspace(0, values.numel() - 1, _SAMPLES).long()
        values, targets = values[every], targets[every]
    if values.numel() < 2 or float(values.var()) < _SMALLEST_VARIANCE:
        return IntensityMatch(1.0, 0.0)
    gain = float(targets.median() / values.median().clamp_min(1e-6))
    offset = 0.0
    for _ in range(_ROUNDS):
        errors = (gain * values + offset - targets).abs()
        agree = errors <= errors.quantile(agreeing)
        centre, target = values[agree].mean(), targets[agree].mean()
        spread = ((values[agree] - centre) ** 2).mean().clamp_min(_SMALLEST_VARIANCE)
        gain = float(((values[agree] - centre) * (targets[agree] - target)).mean() / spread)
        offset = float(target - gain * centre)
    ratio = _interquartile_range(targets) / max(_interquartile_range(values), _SMALLEST_VARIANCE)
    if gain < _LEAST_SHARE * ratio:
        gain = ratio
        offset = float(targets.median() - gain * values.median())
    return IntensityMatch(gain, offset)


def _interquartile_range(values: Tensor) -> float:
    return float(values.quantile(0.75) - values.quantile(0.25))
