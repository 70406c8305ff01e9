"""Slices of a canonical volume for the network, and maps of slices back on the volume's grid.

Arrays are canonical: axes along right, anterior, superior (RAS). A slice image shows the patient's
right at its left and anterior or superior at its top. All resampling is separable and linear, one
small matrix an axis.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.volumes.preprocessing import Normalisation, find_foreground, intensity_range
from d24fad_core.volumes.volume import Plane, Volume

_BATCH = 32


@dataclass(frozen=True)
class SliceGrid:
    """Where the pixels of a stack of slices lie in a canonical volume.

    The images are square, centred on the volume, and as wide as its longer in-plane extent.

    Attributes:
        plane: plane of the slices.
        shape: shape of the canonical array.
        spacing: voxel size in mm.
        image_size: pixels a side.
    """

    plane: Plane
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    image_size: int

    @property
    def column_axis(self) -> int:
        """Canonical axis that runs along the columns."""
        return 1 if self.plane is Plane.SAGITTAL else 0

    @property
    def row_axis(self) -> int:
        """Canonical axis that runs along the rows."""
        return 1 if self.plane is Plane.AXIAL else 2

    @property
    def side(self) -> float:
        """Side length of the images in mm."""
        return max(
            self.shape[axis] * self.spacing[axis] for axis in (self.column_axis, self.row_axis)
        )

    @property
    def thickness(self) -> float:
        """Distance between slices in mm."""
        return self.spacing[self.plane.axis]

    def to_images(self, canonical: NDArray[np.float32]) -> Tensor:
        """Resample a canonical array into slice images, (S, N, N); 0 outside the volume."""
        rows, columns = self._inward(self.row_axis), self._inward(self.column_axis)
        stacked = np.moveaxis(canonical, self.plane.axis, 0)
        # In RAS order the remaining axes are (column axis, row axis).
        chunks = []
        for start in range(0, len(stacked), _BATCH):
            part = torch.from_numpy(np.ascontiguousarray(stacked[start : start + _BATCH]))
            chunks.append(rows @ (columns @ part).transpose(1, 2))
        return torch.cat(chunks)

    def to_volume(self, maps: Tensor) -> NDArray[np.float32]:
        """Bring slice maps, (S, N, N), onto the canonical grid."""
        rows, columns = self._outward(self.row_axis), self._outward(self.column_axis)
        canonical = np.zeros(self.shape, np.float32)
        stacked = np.moveaxis(canonical, self.plane.axis, 0)
        for start in range(0, len(maps), _BATCH):
            part = maps[start : start + _BATCH].float()
            stacked[start : start + len(part)] = (rows @ part @ columns.T).transpose(1, 2).numpy()
        return canonical

    def _pixels(self, axis: int) -> NDArray[np.float64]:
        """Canonical voxel coordinate of each pixel centre; both image axes run against RAS."""
        pixel = self.side / self.image_size
        offsets = self.side / 2 - (np.arange(self.image_size) + 0.5) * pixel
        return (self.shape[axis] - 1) / 2 + offsets / self.spacing[axis]

    def _inward(self, axis: int) -> Tensor:
        width = max(self.side / self.image_size / self.spacing[axis], 1.0)
        return _triangle_weights(self._pixels(axis), self.shape[axis], width)

    def _outward(self, axis: int) -> Tensor:
        pixels = self._pixels(axis)
        positions = (pixels[0] - np.arange(self.shape[axis])) / (pixels[0] - pixels[1])
        return _triangle_weights(positions, self.image_size, 1.0)


@dataclass(frozen=True, eq=False)
class SliceStack:
    """The slices of a volume in one plane, ready for a teacher.

    Attributes:
        images: (S, N, N) float32 in [0, 1].
        foreground: (S, N, N) bool.
        grid: the way back.
    """

    images: Tensor
    foreground: Tensor
    grid: SliceGrid

    def __len__(self) -> int:
        return len(self.images)


def _triangle_weights(positions: NDArray[np.float64], length: int, width: float) -> Tensor:
    """Matrix (len(positions), length) of linear interpolation, widened against aliasing.

    Rows sum to 1 where the position lies within half a sample of the axis, and are 0 beyond.
    """
    distance = np.abs(positions[:, None] - np.arange(length)[None, :])
    weights = np.clip(1.0 - distance / width, 0.0, None)
    totals = weights.sum(axis=1, keepdims=True)
    inside = (positions > -0.5 - 1e-9) & (positions < length - 0.5 + 1e-9)
    rows = np.where(inside[:, None] & (totals > 0), weights / np.maximum(totals, 1e-12), 0.0)
    return torch.from_numpy(rows.astype(np.float32))


def slice_volume(volume: Volume, plane: Plane, image_size: int, ct_window: str) -> SliceStack:
    """Cut a canonical volume into normalised slices.

    Args:
        volume: in RAS order, as `support.frame.align` makes it.
        plane: plane to slice in.
        image_size: pixels a side.
        ct_window: name of the window that CT is seen in.

    Raises:
        InputError: the volume has no foreground.
        ConfigurationError: the CT window's name is unknown.
    """
    return cut_slices(volume, normalisation_of(volume, ct_window), plane, image_size)


def normalisation_of(volume: Volume, ct_window: str) -> Normalisation:
    """What the slices of a canonical volume are normalised by, in all planes alike.

    Args:
        volume: in RAS order.
        ct_window: name of the window that CT is seen in.

    Raises:
        InputError: the volume has no foreground.
        ConfigurationError: the CT window's name is unknown.
    """
    foreground = find_foreground(volume.array, volume.spacing, volume.modality, volume.name)
    low, high = intensity_range(volume.array, foreground, volume.modality, ct_window)
    return Normalisation(foreground, low, high)


def cut_slices(
    volume: Volume, normalisation: Normalisation, plane: Plane, image_size: int
) -> SliceStack:
    """Cut a canonical volume into slices.

    Args:
        volume: in RAS order.
        normalisation: of this volume.
        plane: plane to slice in.
        image_size: pixels a side.
    """
    foreground, low, high = normalisation.foreground, normalisation.low, normalisation.high
    grid = SliceGrid(plane, volume.shape, volume.spacing, image_size)
    images = ((grid.to_images(volume.array) - low) / (high - low)).clamp(0.0, 1.0)
    nearest = [np.arange(volume.shape[axis]) // foreground.step[axis] for axis in range(3)]
    mask = grid.to_images(foreground.mask[np.ix_(*nearest)].astype(np.float32)) > 0.5
    return SliceStack(images, mask, grid)
