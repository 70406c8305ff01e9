"""Drawing lesions into a person's T1: shapes with soft edges, tissue signal, displacement."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.people.lesions.anatomy import Anatomy, Array

_SKULL_MM = 8.0
"""Displaced tissue is held by the skull over this distance."""
_LEAST_MOVED_MM = 0.01
_GRAIN_BLUR = 0.5
_GRAIN_STEP = 0.623
"""Deviation of the step from a voxel to the next in noise of deviation 1 that is blurred so."""


class Canvas:
    """A person's brain while lesions are drawn into it.

    Args:
        anatomy: the brain.
        rng: draws everything.

    Attributes:
        signal: signal without the bias field.
        share: share of each voxel that is abnormal, 0 to 1.
    """

    def __init__(self, anatomy: Anatomy, rng: np.random.Generator) -> None:
        self.anatomy = anatomy
        self.rng = rng
        self.signal: Array = anatomy.signal.copy()
        self.share: Array = np.zeros_like(anatomy.signal)
        self._roughness: dict[float, Array] = {}
        self._axes = [
            (np.arange(length) * step).reshape([-1 if axis == own else 1 for axis in range(3)])
            for own, (length, step) in enumerate(
                zip(anatomy.signal.shape, anatomy.spacing, strict=True)
            )
        ]

    def pick(self, weight: Array | NDArray[np.bool_]) -> NDArray[np.float64]:
        """Draw a place, mm from the box's corner; voxels count by their weight."""
        flat = np.asarray(weight, np.float64).ravel()
        total = flat.sum()
        if total <= 0:
            flat, total = self.anatomy.brain.ravel().astype(np.float64), self.anatomy.brain.sum()
        index = np.searchsorted(np.cumsum(flat), self.rng.uniform(0, total), side="right")
        place = np.unravel_index(min(int(index), flat.size - 1), self.anatomy.brain.shape)
        return np.array(place) * self.anatomy.spacing

    def at(self, place: NDArray[np.float64], field: Array) -> float:
        """Value of a field at a place."""
        index = np.round(place / self.anatomy.spacing).astype(int)
        return float(field[tuple(index)])

    def inward(self, place: NDArray[np.float64], field: Array) -> NDArray[np.float64]:
        """Direction, of length 1, in which a smooth field rises at a place."""
        centre = np.round(place / self.anatomy.spacing).astype(int)
        reach = np.maximum(np.round(6.0 / self.anatomy.spacing), 2).astype(int)
        window = tuple(
            slice(max(at - more, 0), at + more + 1) for at, more in zip(centre, reach, strict=True)
        )
        slopes = [
            np.gradient(field[window], step, axis=axis).mean()
            for axis, step in enumerate(self.anatomy.spacing)
        ]
        length = float(np.linalg.norm(slopes))
        return np.array(slopes) / length if length > 1e-6 else _direction(self.rng)

    def distance(self, place: NDArray[np.float64]) -> Array:
        """Distance to a place, mm."""
        squares = [(axis - at) ** 2 for axis, at in zip(self._axes, place, strict=True)]
        distance: Array = np.sqrt(squares[0] + squares[1] + squares[2]).astype(np.float32)
        return distance

    def along(self, place: NDArray[np.float64], direction: NDArray[np.float64]) -> Array:
        """Signed distance from a place along a direction, mm."""
        parts = [
            (axis - at) * step for axis, at, step in zip(self._axes, place, direction, strict=True)
        ]
        distance: Array = (parts[0] + parts[1] + parts[2]).astype(np.float32)
        return distance

    def ellipsoid(
        self,
        place: NDArray[np.float64],
        radii: Sequence[float],
        *,
        axis: NDArray[np.float64] | None = None,
        roughness: float = 0.2,
    ) -> Array:
        """How far inside an uneven ellipsoid each voxel is, mm; negative outside.

        Args:
            place: its centre, mm.
            radii: along its axis and across, mm; two or three values.
            axis: its long axis; None draws one.
            roughness: how much its radius varies, as a share.
        """
        first = _direction(self.rng) if axis is None else axis
        other = _direction(self.rng)
        second = np.cross(first, other)
        second /= max(float(np.linalg.norm(second)), 1e-6)
        third = np.cross(first, second)
        across = radii[2] if len(radii) > 2 else radii[1]
        squares = [
            (self.along(place, direction) / radius) ** 2
            for direction, radius in zip(
                (first, second, third), (radii[0], radii[1], across), strict=True
            )
        ]
        mean = float(np.mean(radii))
        uneven = 1 + roughness * self.unevenness(max(0.8 * mean, 3.0))
        norm = np.sqrt(squares[0] + squares[1] + squares[2])
        inside: Array = ((uneven - norm) * mean).astype(np.float32)
        return inside

    def unevenness(self, correlation: float) -> Array:
        """A smooth random field of deviation 1, the same for the same length within a lesion set.

        Args:
            correlation: distance over which it changes, mm.
        """
        rounded = float(2.0 ** np.round(2 * np.log2(correlation))) ** 0.5
        if rounded not in self._roughness:
            shape = np.array(self.signal.shape)
            cells = np.ceil(shape * self.anatomy.spacing / rounded).astype(int) + 3
            coarse = self.rng.standard_normal(cells)
            places = [
                1 + np.arange(length) * step / rounded
                for length, step in zip(shape, self.anatomy.spacing, strict=True)
            ]
            field = coarse
            # Linear along one axis after the other, then smoothed over half a cell.
            for axis, at in enumerate(places):
                low = np.floor(at).astype(int)
                rest = (at - low).reshape([-1 if own == axis else 1 for own in range(3)])
                field = (
                    np.take(field, low, axis) * (1 - rest) + np.take(field, low + 1, axis) * rest
                )
            field = ndimage.gaussian_filter(field, rounded / 3 / self.anatomy.spacing)
            self._roughness[rounded] = (field / field.std()).astype(np.float32)
        return self._roughness[rounded]

    def soft(self, inside: Array, edge: float) -> Array:
        """Share of each voxel inside a shape whose edge is `edge` mm wide, 0 to 1."""
        # A voxel is never sharper than its own size.
        width = max(edge, float(self.anatomy.spacing.mean()))
        share: Array = np.clip(0.5 + inside / width, 0, 1)
        return share * self.anatomy.brain

    def paint(
        self,
        share: Array,
        target: float | Array,
        *,
        unevenness: float = 0.05,
        abnormal: bool = True,
    ) -> None:
        """Replace a share of the signal.

        Args:
            share: how much of each voxel, 0 to 1.
            target: signal of what replaces it.
            unevenness: slow variation of the target, in units of white less fluid.
            abnormal: whether the share counts as lesion.
        """
        fluid, _, white = self.anatomy.levels
        box = _around(share)
        if box is None:
            return
        inner = share[box]
        texture = unevenness * (white - fluid) * self.unevenness(5.0)[box]
        # What replaces tissue is as noisy as the tissue was, and as sharp.
        grain = ndimage.gaussian_filter(
            self.rng.standard_normal(inner.shape, np.float32), _GRAIN_BLUR
        )
        grain *= self.anatomy.grain / _GRAIN_STEP
        aim = np.broadcast_to(target, share.shape)[box]
        replaced = np.maximum(aim + texture + grain, 0.0)
        self.signal[box] = (1 - inner) * self.signal[box] + inner * replaced
        if abnormal:
            self.share[box] = np.maximum(self.share[box], inner)

    def darken(self, share: Array, *, abnormal: bool = True) -> None:
        """Bring the signal toward that of fluid by a share, its own texture kept in part."""
        fluid = self.anatomy.levels[0]
        smooth = ndimage.gaussian_filter(self.signal, 1.0 / self.anatomy.spacing)
        change = share * (smooth - fluid)
        self.signal = np.maximum(self.signal - np.maximum(change, 0), 0).astype(np.float32)
        if abnormal:
            self.share = np.maximum(self.share, np.clip(share / max(share.max(), 1e-6), 0, 1))

    def push(self, place: NDArray[np.float64], radius: float, strength: float) -> None:
        """Push tissue away from a place (or draw it in), the less the nearer to the skull.

        Args:
            place: centre of what takes the room, mm.
            radius: its radius, mm.
            strength: share of its volume that is pushed away; negative draws tissue in.
        """
        distance = np.maximum(self.distance(place), 0.1)
        # As much volume flows through each sphere, and fades away beyond.
        beyond = np.maximum(distance, radius)
        fade = np.exp(-(beyond - radius) / (1.5 * radius))
        cubed = beyond**3 - strength * radius**3
        moved = (beyond - np.cbrt(np.maximum(cubed, 0.0))) * fade
        moved = np.where(distance < radius, moved * distance / radius, moved)
        moved = moved * np.clip(self.anatomy.depth / _SKULL_MM, 0, 1)
        where = self.anatomy.brain & (np.abs(moved) > _LEAST_MOVED_MM)
        share = moved[where] / distance[where]
        coordinates = [
            np.broadcast_to(axis / step, where.shape)[where]
            - share * np.broadcast_to((axis - at) / step, where.shape)[where]
            for axis, at, step in zip(self._axes, place, self.anatomy.spacing, strict=True)
        ]
        warped = ndimage.map_coordinates(self.signal, coordinates, order=3, mode="nearest")
        self.signal[where] = np.maximum(warped, 0)


def _around(share: Array) -> tuple[slice, ...] | None:
    """The box around what is above 0."""
    parts = ndimage.find_objects((share > 0).astype(np.uint8))
    return parts[0] if parts else None


def _direction(rng: np.random.Generator) -> NDArray[np.float64]:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))
