"""Simulated lesions: soft-edged blobs of irregular outline inside the brain."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.simulation.anatomy import Anatomy, smooth_field


class LesionKind(str, Enum):
    """How a simulated case is abnormal."""

    MASS = "mass"
    FOCI = "foci"
    REGION = "region"


@dataclass(frozen=True)
class _Shape:
    """Ranges that lesions of one kind are drawn from: number, radius and edge in mm, strength."""

    number: tuple[int, int]
    radius: tuple[float, float]
    edge: tuple[float, float]
    conspicuity: tuple[float, float]


_SHAPES = {
    LesionKind.MASS: _Shape((1, 1), (8.0, 20.0), (0.6, 1.5), (0.6, 1.0)),
    LesionKind.FOCI: _Shape((4, 12), (2.5, 6.0), (0.4, 1.0), (0.5, 1.0)),
    LesionKind.REGION: _Shape((1, 1), (10.0, 18.0), (1.5, 3.0), (0.35, 0.7)),
}
# Relative change of the radius with direction, and its correlation length in radii.
_ROUGHNESS = 0.2
_ROUGHNESS_POINTS = 4


def sample_lesions(
    anatomy: Anatomy, kind: LesionKind, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Draw the lesions of one case.

    Args:
        anatomy: the subject; lesions lie in its grey or white matter and end at its surface.
        kind: one mass, several foci, or one ill-defined region.
        rng: drives number, places, sizes and outlines.

    Returns:
        Share of each voxel's signal that is the lesion's (float32, 0 to 1), and the mask (uint8,
        1 where a lesion has at least half of its own strength), both of shape (I, J, K).
    """
    ranges = _SHAPES[kind]
    spacing = np.linalg.norm(anatomy.affine[:3, :3], axis=0)
    depth = ndimage.distance_transform_edt(anatomy.brain, sampling=spacing)
    tissue = anatomy.white_matter if kind is LesionKind.FOCI else 1.0 - anatomy.fluid
    share = np.zeros(anatomy.brain.shape, dtype=np.float32)
    mask = np.zeros(anatomy.brain.shape, dtype=np.uint8)
    for _ in range(rng.integers(ranges.number[0], ranges.number[1] + 1)):
        radius = rng.uniform(*ranges.radius)
        edge = max(rng.uniform(*ranges.edge), 0.25 * float(spacing.mean()))
        conspicuity = rng.uniform(*ranges.conspicuity)
        # At least half of a lesion's radius lies inside the brain.
        places = np.flatnonzero((depth > 0.5 * radius) & (tissue > 0.5))
        centre = np.array(np.unravel_index(rng.choice(places), anatomy.brain.shape))
        box, blob = lesion_blob(centre, radius, edge, spacing, anatomy.brain.shape, rng)
        blob *= anatomy.brain[box]
        share[box] = np.maximum(share[box], conspicuity * blob)
        mask[box] |= blob >= 0.5
    return share, mask


def lesion_blob(
    centre: NDArray[np.int64],
    radius: float,
    edge: float,
    spacing: NDArray[np.float64],
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
    """One blob: the box of the array that it fills, and its strength there, 0 to 1."""
    reach = 1.8 * radius + 5 * edge
    voxels = np.ceil(reach / spacing).astype(int)
    low = np.maximum(centre - voxels, 0)
    high = np.minimum(centre + voxels + 1, shape)
    box = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
    axes = [
        (np.arange(start, stop) - middle) * size
        for start, stop, middle, size in zip(low, high, centre, spacing, strict=True)
    ]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"))
    distance = np.linalg.norm(offsets, axis=0)
    # Noise on a lattice in units of the radius: the outline is irregular at every size.
    lattice = smooth_field(rng, (16, 16, 16), 1.0)
    points = offsets * (_ROUGHNESS_POINTS / radius) + 7.5
    outline = ndimage.map_coordinates(lattice, points, order=1, mode="nearest")
    depth = (radius * (1.0 + _ROUGHNESS * outline) - distance) / edge
    strength = 1.0 / (1.0 + np.exp(-np.clip(depth, -30, 30)))
    return box, strength.astype(np.float32)
