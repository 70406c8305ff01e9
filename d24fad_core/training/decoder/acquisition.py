"""How one person's scan differs from another's though both are normal: scanner, contrast, pose.

Intensities are in the units of `comparison.support_channels`: 0 to about 1, at most
`normal_stack.BRIGHTEST`.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from d24fad_core.comparison.normal_stack import BRIGHTEST
from d24fad_core.training.decoder.fields import displaced, positions, smooth_noise, white_noise

_STEPS = 160


def draw_contrast(rng: np.random.Generator) -> Callable[[Tensor], Tensor]:
    """Another contrast of the same tissue: a smooth curve of intensities, monotone or not.

    After SynthSeg's idea (Billot et al., Medical Image Analysis, 2023) of random tissue signals, on
    real anatomy.
    """
    knots = int(rng.integers(3, 7))
    places = np.linspace(0.0, 1.15, knots + 1)
    if rng.random() < 0.5:
        values = np.cumsum(np.r_[0.0, rng.uniform(0.05, 1.0, knots)])
    else:
        values = np.r_[0.0, rng.uniform(0.05, 1.1, knots)]
    values = values / max(values.max(), 0.3)
    if rng.random() < 0.15:
        values = values[::-1].copy()
    steps = np.linspace(0.0, BRIGHTEST, _STEPS + 1)
    curve = torch.from_numpy(np.interp(steps, places, values).astype(np.float32))
    curve = F.avg_pool1d(F.pad(curve[None, None], (8, 8), mode="replicate"), 17, 1)[0, 0]

    def apply(intensities: Tensor) -> Tensor:
        place = (intensities * (_STEPS / BRIGHTEST)).clamp(0.0, _STEPS - 0.01)
        lower = place.long()
        share = place - lower
        return curve[lower] * (1.0 - share) + curve[lower + 1] * share

    return apply


def scan_again(
    rng: np.random.Generator, intensities: Tensor, inside: Tensor, strength: float
) -> Tensor:
    """The same head in another acquisition: gain, offset, bias field, gamma, blur and noise.

    Args:
        rng: drives it.
        intensities: (D, H, W).
        inside: (D, H, W) bool; the result is 0 elsewhere.
        strength: scales gain and bias field.
    """
    seen = intensities * (1.0 + rng.normal(0.0, 0.04) * strength) + rng.normal(0.0, 0.015)
    bias = 0.05 * strength * abs(rng.normal())
    seen = seen * torch.exp(bias * smooth_noise(rng, seen.shape, 30.0))
    if rng.random() < 0.3:
        seen = seen.clamp_min(1e-3) ** rng.uniform(0.85, 1.18)
    if rng.random() < 0.3:
        axes = [int(rng.integers(0, 3))] if rng.random() < 0.5 else [0, 1, 2]
        seen = _blurred(seen, rng.uniform(0.3, 1.0), axes)
    if rng.random() < 0.6:
        seen = seen + white_noise(rng, seen.shape) * rng.uniform(0.0, 0.035)
    return (seen * inside).clamp(0.0, BRIGHTEST)


def pose_again(rng: np.random.Generator, intensities: Tensor, amount: float) -> Tensor:
    """Another head of the same kind: smooth displacements and a change of size in the slice.

    Args:
        rng: drives it.
        intensities: (D, H, W), slices first.
        amount: root-mean-square displacement in voxels.
    """
    places = positions(intensities.shape)
    correlation = rng.uniform(6.0, 16.0) * max(1.0, amount)
    for axis in range(3):
        places[axis] += amount * smooth_noise(rng, intensities.shape, correlation)
    for axis in (1, 2):
        middle = intensities.shape[axis] / 2
        places[axis] = (places[axis] - middle) * (1.0 + rng.normal(0.0, 0.03)) + middle
    return displaced(intensities, places, beyond="zeros")


def eroded(inside: Tensor) -> Tensor:
    """A mask without its outermost voxels, as another brain extraction would draw it."""
    return -F.max_pool3d(-inside.float()[None, None], 3, 1, 1)[0, 0] > 0.5


def _blurred(intensities: Tensor, width: float, axes: list[int]) -> Tensor:
    kernel = torch.tensor([width / 4.0, 1.0 - width / 2.0, width / 4.0])[None, None]
    for axis in axes:
        lines = intensities.movedim(axis, -1)
        flat = F.pad(lines.reshape(-1, 1, lines.shape[-1]), (1, 1), mode="replicate")
        intensities = F.conv1d(flat, kernel).reshape(lines.shape).movedim(-1, axis)
    return intensities
