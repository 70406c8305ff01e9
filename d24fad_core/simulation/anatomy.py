"""Normal variation: how the brain of one simulated subject differs from the average one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.simulation.template import average_brain, average_brain_at

ROTATION_DEGREES = 3.0
SCALE_SPREAD = 0.04
LARGEST_BRAIN = 1.11
"""Volume of a subject's brain against the average one, at most. That has 1.9 litres with its fluid,
more than most people; beyond 2.2 litres `masking.coverage` would take a brain for a whole head."""
# Correlation length and root-mean-square size, both in mm, of each displacement field.
DISPLACEMENTS = ((14.0, 2.0), (30.0, 2.0))

# Displacements are smooth: one coarse lattice over the head holds them at every spacing.
_LATTICE_MM = 7.0
_LATTICE_SHAPE = (32, 32, 32)
_MARGIN_MM = 12.0


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One subject's tissue fractions on the scan's grid, each float32 of shape (I, J, K).

    Attributes:
        grey_matter: fraction of each voxel that is grey matter.
        white_matter: the same for white matter.
        fluid: the same for cerebrospinal fluid.
        texture: fine T1 detail, in units of the white-matter signal.
        brain: which voxels belong to the brain.
        affine: 4x4 matrix from voxel index to RAS mm.
    """

    grey_matter: NDArray[np.float32]
    white_matter: NDArray[np.float32]
    fluid: NDArray[np.float32]
    texture: NDArray[np.float32]
    brain: NDArray[np.bool_]
    affine: NDArray[np.float64]


def scan_grid(
    spacing: tuple[float, float, float],
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Shape and affine of the scans of a cohort: the average brain with a margin.

    The template is cut through the brain stem; the scan begins at that cut, so that no subject
    shows it.
    """
    low, high = average_brain().bounding_box
    low = low - np.array([_MARGIN_MM, _MARGIN_MM, 0.0])
    high = high + _MARGIN_MM
    i, j, k = (int(n) for n in np.ceil((high - low) / np.array(spacing)) + 1)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = low
    return (i, j, k), affine


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, ...], correlation: float
) -> NDArray[np.float32]:
    """Gaussian random field of zero mean and unit variance; `correlation` is in lattice points."""
    field = ndimage.gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32), correlation, mode="nearest"
    )
    deviation: NDArray[np.float32] = (field - field.mean()) / field.std()
    return deviation


def sample_places(
    rng: np.random.Generator, spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Where in the average brain each voxel of a subject comes from, MNI mm, (3, I*J*K).

    Equal generators give the places behind the subject that `sample_anatomy` draws.
    """
    shape, affine = scan_grid(spacing)

    angles = np.radians(rng.normal(0.0, ROTATION_DEGREES, 3))
    scales = rng.normal(1.0, SCALE_SPREAD, 3)
    scales *= min(1.0, (LARGEST_BRAIN / scales.prod()) ** (1 / 3))
    displacement = np.stack(
        [
            sum(
                size * smooth_field(rng, _LATTICE_SHAPE, correlation / _LATTICE_MM)
                for correlation, size in DISPLACEMENTS
            )
            for _ in range(3)
        ]
    )

    positions = _world_positions(shape, affine)
    origin = affine[:3, 3]
    lattice_points = (positions - origin[:, None]) / _LATTICE_MM
    centre = np.mean(average_brain().bounding_box, axis=0)
    matrix = _rotation(angles) @ np.diag(1.0 / scales)
    source: NDArray[np.float64] = matrix @ (positions - centre[:, None]) + centre[:, None]
    for axis in range(3):
        source[axis] += ndimage.map_coordinates(
            displacement[axis], lattice_points, order=1, mode="nearest"
        )
    return source


def sample_anatomy(rng: np.random.Generator, spacing: tuple[float, float, float]) -> Anatomy:
    """Draw a subject: rotated, scaled and smoothly deformed from the average brain.

    Equal generators give the same head at every spacing.
    """
    template = average_brain_at(spacing)
    shape, affine = scan_grid(spacing)
    source = sample_places(rng, spacing)
    to_index = np.linalg.inv(template.affine)
    indices = to_index[:3, :3] @ source + to_index[:3, 3:]

    grey, white, fluid, texture = (
        ndimage.map_coordinates(each, indices, order=1, mode="nearest").reshape(shape)
        for each in (
            template.grey_matter,
            template.white_matter,
            template.fluid,
            template.texture,
        )
    )
    return Anatomy(grey, white, fluid, texture, grey + white + fluid > 0.5, affine)


def _world_positions(
    shape: tuple[int, int, int], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """RAS position in mm of every voxel, shape (3, I*J*K)."""
    indices = np.indices(shape, dtype=np.float64).reshape(3, -1)
    positions: NDArray[np.float64] = affine[:3, :3] @ indices + affine[:3, 3:]
    return positions


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation about the right-left, then anterior, then superior axis, angles in radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        first, second = [other for other in range(3) if other != axis]
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix
