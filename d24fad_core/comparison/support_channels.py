"""What the support decoder sees: a query beside its normals, voxel by voxel.

Everything is on one grid, in the normals' intensities, with 1 near the normals' brightest tissue.
"""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from d24fad_core.comparison.cubes import cube_sums
from d24fad_core.volumes.volume import Plane

CHANNELS = 10
"""Channels a slice, see `slice_inputs`."""

_QUERY = 0
# Voxels at a time, so that what is compared stays in the processor's cache.
_BLOCK = 1 << 16
_RESEMBLANCE_WIDTH = 5
# Mean squared difference around a position that learn-to-weight takes for likeness.
_RESEMBLANCE = 0.004

PLANE_AXES = {Plane.AXIAL: (2, 0, 1), Plane.CORONAL: (1, 0, 2), Plane.SAGITTAL: (0, 1, 2)}
"""Axes of a volume in RAS order, that of the slices first."""


def support_channels(query: Tensor, normals: Tensor, inside: Tensor) -> Tensor:
    """Describe each voxel of a query by its normals.

    Args:
        query: (D, H, W) intensities.
        normals: (K, D, H, W) those of the normals, aligned with it.
        inside: (D, H, W) bool, the query's foreground; 0 elsewhere.

    Returns:
        (8, D, H, W): the query; the normals' mean and three times their spread; twice the query's
        difference from the mean; four times its difference from the nearest value that any normal
        has within one voxel; the normals' lowest and highest value; three times the difference
        from the normals weighted at each position by their likeness around it (learn-to-weight,
        with squared differences as logits).
    """
    mean = normals.mean(0)
    spread = ((normals - mean) ** 2).mean(0).sqrt()
    channels = [
        query,
        mean,
        3.0 * spread,
        2.0 * (query - mean),
        4.0 * _nearest_difference(query, normals),
        normals.amin(0),
        normals.amax(0),
        3.0 * (query - _weighted(query, normals)),
    ]
    return torch.stack(channels).mul_(inside[None])


def slice_inputs(channels: Tensor, plane: Plane) -> Tensor:
    """Cut described voxels into slices.

    Args:
        channels: (8, X, Y, Z) from `support_channels`, in RAS order.
        plane: which slices.

    Returns:
        (S, 10, H, W): the eight channels, and the query in the slices before and after.
    """
    stacked = channels.permute(0, *(1 + axis for axis in PLANE_AXES[plane]))
    query = stacked[_QUERY]
    before = torch.cat([query[:1], query[:-1]])
    after = torch.cat([query[1:], query[-1:]])
    return torch.cat([stacked, before[None], after[None]]).transpose(0, 1)


def from_slices(maps: Tensor, plane: Plane) -> Tensor:
    """Bring slice maps, (S, H, W), back into a volume, (X, Y, Z)."""
    axes = PLANE_AXES[plane]
    return maps.permute(*(axes.index(axis) for axis in range(3)))


def _nearest_difference(query: Tensor, normals: Tensor) -> Tensor:
    """Signed difference from the nearest value of any normal in 3 x 3 x 3 voxels."""
    padded = F.pad(normals[None], (1,) * 6, mode="replicate")[0]
    shape = padded.shape[1:]
    # In one line, neighbours lie at fixed distances; what crosses an edge falls into the margin.
    values, line = padded.flatten(1), F.pad(query, (1,) * 6).flatten()
    shifts = [
        first * shape[1] * shape[2] + second * shape[2] + third
        for first, second, third in product((-1, 0, 1), repeat=3)
    ]
    nearest = torch.empty_like(line)
    for start in range(shifts[-1], len(line) - shifts[-1], _BLOCK):
        end = min(start + _BLOCK, len(line) - shifts[-1])
        block = line[start:end]
        best = block - values[0, start + shifts[0] : end + shifts[0]]
        for shift in shifts:
            for normal in values[:, start + shift : end + shift]:
                difference = block - normal
                nearer = difference.abs() < best.abs()
                torch.where(nearer, difference, best, out=best)
        nearest[start:end] = best
    return nearest.view(shape)[1:-1, 1:-1, 1:-1]


def _weighted(query: Tensor, normals: Tensor) -> Tensor:
    """The normals' expected value where those that resemble the query around a voxel count more."""
    margin = _RESEMBLANCE_WIDTH // 2
    squares = F.pad((query[None] - normals)[None] ** 2, (margin,) * 6, mode="replicate")[0]
    means = cube_sums(squares, _RESEMBLANCE_WIDTH) / _RESEMBLANCE_WIDTH**3
    likeness = means / -_RESEMBLANCE
    return (torch.softmax(likeness, 0) * normals).sum(0)
