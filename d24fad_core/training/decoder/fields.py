"""Random fields and displacements of small blocks of voxels."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], correlation: float) -> Tensor:
    """Noise of zero mean and unit variance.

    Args:
        rng: drives it.
        shape: (D, H, W).
        correlation: distance of independent values in voxels.
    """
    lattice = [max(2, int(np.ceil(size / correlation)) + 1) for size in shape]
    values = torch.from_numpy(rng.standard_normal(lattice).astype(np.float32))
    noise = F.interpolate(
        values[None, None], size=tuple(shape), mode="trilinear", align_corners=True
    )[0, 0]
    return (noise - noise.mean()) / noise.std().clamp_min(1e-6)


def white_noise(rng: np.random.Generator, shape: Sequence[int]) -> Tensor:
    """Independent values of zero mean and unit variance."""
    return torch.from_numpy(rng.standard_normal(tuple(shape)).astype(np.float32))


def positions(shape: Sequence[int]) -> Tensor:
    """(3, D, H, W) index of each voxel."""
    axes = [torch.arange(size, dtype=torch.float32) for size in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def displaced(values: Tensor, places: Tensor, *, beyond: str) -> Tensor:
    """Values at other places.

    Args:
        values: (D, H, W).
        places: (3, D, H, W) index to take each voxel's value from.
        beyond: `zeros` or `border`, what lies outside the block.
    """
    scaled = [
        2.0 * places[axis] / max(values.shape[axis] - 1, 1) - 1.0 for axis in reversed(range(3))
    ]
    return F.grid_sample(
        values[None, None],
        torch.stack(scaled, dim=-1)[None],
        align_corners=True,
        padding_mode=beyond,
    )[0, 0]
