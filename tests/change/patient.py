"""A patient whose every point is known in world coordinates, scanned on any grid, at any time."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d24fad_core.volumes.volume import Modality, Volume
from tests.support.phantom import CENTRE, RADII, Grid, positions, turned

TISSUE = 100.0
FINE = Grid(spacing=(2.0, 2.0, 2.0), extent=100.0)
_STRUCTURES = 30
_EDGE_MM = 0.7


@dataclass(frozen=True)
class Lesion:
    """A ball.

    Attributes:
        offset: of its centre from the centre of the head, RAS mm.
        radius: mm.
        level: its intensity.
    """

    offset: tuple[float, float, float]
    radius: float
    level: float = 160.0

    @property
    def volume_ml(self) -> float:
        return 4.0 / 3.0 * math.pi * self.radius**3 / 1000.0

    @property
    def place(self) -> NDArray[np.float64]:
        place: NDArray[np.float64] = CENTRE + np.array(self.offset)
        return place


@dataclass(frozen=True)
class Pose:
    """How the patient lies: turned about the centre of the head, and shifted."""

    degrees: float = 0.0
    axis: tuple[float, float, float] = (1.0, -0.5, 0.8)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def moved(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where a point of the patient lies in the scanner."""
        moved: NDArray[np.float64] = (
            turned(self.degrees, self.axis) @ (point - CENTRE) + CENTRE + self.shift
        )
        return moved


def scan_patient(
    grid: Grid = FINE,
    lesions: tuple[Lesion, ...] = (),
    *,
    person: int = 0,
    pose: Pose = Pose(),
    gain: float = 1.0,
    offset: float = 0.0,
    bias: float = 0.0,
    noise: float = 2.0,
    seed: int = 0,
    name: str = "case",
) -> Volume:
    """Scan a patient.

    Args:
        grid: the voxels.
        lesions: what is abnormal at this time.
        person: who it is.
        pose: how the patient lies.
        gain: of the scanner.
        offset: of the scanner.
        bias: by what share of the signal the right side is brighter than the middle.
        noise: standard deviation.
        seed: of the noise.
        name: of the study.
    """
    turn = turned(pose.degrees, pose.axis)
    where = (
        positions(grid.affine, grid.shape).astype(np.float32) - CENTRE - np.array(pose.shift)
    ) @ turn
    generator = np.random.default_rng(person)
    array = np.full(grid.shape, TISSUE)
    for centre, size, value in zip(
        generator.uniform(-1, 1, (_STRUCTURES, 3)) * RADII,
        generator.uniform(4.0, 9.0, _STRUCTURES),
        generator.uniform(-35, 35, _STRUCTURES),
        strict=True,
    ):
        array += value * np.exp(-0.5 * ((where - centre) ** 2).sum(axis=-1) / size**2)
    for lesion in lesions:
        distance = np.linalg.norm(where - np.array(lesion.offset), axis=-1)
        depth = np.clip((lesion.radius - distance) / _EDGE_MM * 2, -30, 30)
        array += (lesion.level - array) / (1 + np.exp(-depth))
    array *= np.exp(bias * where[..., 0] / RADII[0])
    inside = np.linalg.norm(where / RADII, axis=-1) <= 1
    seen = gain * array + offset + np.random.default_rng(seed).normal(0, noise, grid.shape)
    values = np.where(inside, np.maximum(seen, 1.0), 0.0).astype(np.float32)
    return Volume(values, grid.affine, Modality.MR, name)
