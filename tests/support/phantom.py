"""A body whose every point is known in world coordinates, scanned on any grid."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d24fad_core.volumes.volume import Modality, Volume

AIR, TISSUE, MARK = -1000.0, 0.0, 400.0
"""Values in HU: the `body` window maps them to images linearly, without clipping."""

CENTRE = np.array([12.0, -20.0, 35.0])
RADII = np.array([34.0, 44.0, 30.0])
_ORGANS = (
    # Offset from the centre and radius in mm, HU. No symmetry: every direction can be told.
    ((-14.0, 10.0, 6.0), 11.0, -60.0),
    ((15.0, -16.0, -4.0), 13.0, 50.0),
    ((4.0, 22.0, -10.0), 9.0, -50.0),
    ((-10.0, -24.0, 8.0), 8.0, 60.0),
    ((8.0, 6.0, 16.0), 7.0, 50.0),
)


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a scan lie.

    Attributes:
        spacing: voxel size in mm along each array axis.
        directions: 3x3, column a is the RAS direction of array axis a.
        extent: mm that the scan covers along each array axis, centred on the body.
    """

    spacing: tuple[float, float, float] = (2.0, 2.0, 2.0)
    directions: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    extent: float = 116.0

    @property
    def shape(self) -> tuple[int, int, int]:
        first, second, third = (int(np.ceil(self.extent / size)) for size in self.spacing)
        return first, second, third

    @property
    def affine(self) -> NDArray[np.float64]:
        affine = np.eye(4)
        affine[:3, :3] = self.directions * np.array(self.spacing)
        affine[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array(self.shape) - 1) / 2)
        return affine


def turned(degrees: float, axis: tuple[float, float, float]) -> NDArray[np.float64]:
    """Directions of a scan turned about an axis."""
    unit = np.array(axis) / np.linalg.norm(axis)
    matrix: NDArray[np.float64] = Rotation.from_rotvec(np.radians(degrees) * unit).as_matrix()
    return matrix


GRIDS = {
    "identity": Grid(),
    "flipped": Grid(directions=np.diag([-1.0, -1.0, 1.0])),
    "upside down": Grid(directions=np.diag([1.0, -1.0, -1.0])),
    "oblique": Grid(directions=turned(20, (1.0, -2.0, 0.7))),
    # Array axes run to anterior, superior and left, as sagittal series are stored.
    "sagittal": Grid(
        spacing=(1.5, 1.5, 3.0),
        directions=np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    ),
    "1x1x6 mm": Grid(spacing=(1.0, 1.0, 6.0)),
    "oblique 1x1x6 mm": Grid(spacing=(1.0, 1.0, 6.0), directions=turned(-20, (0.3, 1.0, 0.5))),
}


def positions(affine: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """RAS mm of every voxel, (I, J, K, 3)."""
    return np.asarray(
        np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3], np.float64
    )


def scan(
    grid: Grid = Grid(),
    mark: NDArray[np.float64] | None = None,
    mark_mm: float = 5.0,
    size: float = 1.0,
    name: str = "phantom",
) -> Volume:
    """Scan the body.

    Args:
        grid: the voxels.
        mark: RAS mm of a bright mark with soft edges; None leaves it out.
        mark_mm: standard deviation of the mark in mm.
        size: 1.1 makes a body a tenth larger.
        name: of the volume.
    """
    where = positions(grid.affine, grid.shape)
    from_centre = (where - CENTRE) / size
    array = np.full(grid.shape, TISSUE)
    for offset, radius, value in _ORGANS:
        distance = np.linalg.norm(from_centre - offset, axis=-1)
        array += value / (1 + np.exp(np.clip((distance - radius) / 1.0, -30, 30)))
    if mark is not None:
        strength = np.exp(-0.5 * (np.linalg.norm(where - mark, axis=-1) / mark_mm) ** 2)
        array += strength * (MARK - array)
    outside = np.linalg.norm(from_centre / RADII, axis=-1) > 1
    array[outside] = AIR
    return Volume(array.astype(np.float32), grid.affine, Modality.CT, name)


def stored_otherwise(
    volume: Volume, order: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> Volume:
    """The same scan with its array axes in another order and direction."""
    axes = [axis for axis, flip in enumerate(flips) if flip]
    array = np.flip(volume.array.transpose(order), axes)
    to_old = np.zeros((4, 4))
    to_old[3, 3] = 1
    for new, old in enumerate(order):
        to_old[old, new] = -1 if flips[new] else 1
        to_old[old, 3] = array.shape[new] - 1 if flips[new] else 0
    return replace(volume, array=array, affine=volume.affine @ to_old)


def centroid(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre of mass in voxel indices."""
    indices = np.indices(weights.shape).reshape(3, -1)
    return np.asarray(indices @ weights.ravel() / weights.sum(), np.float64)
