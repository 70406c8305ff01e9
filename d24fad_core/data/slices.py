"""Slices of a volume for the network, and maps of slices back on the volume's source grid.

Inside, arrays are canonical: axes along right, anterior, superior (RAS). A slice image shows the
patient's right at its left and anterior or superior at its top. All resampling is separable and
linear, one small matrix an axis, so that the way back is exact for any affine.
"""

from dataclasses import dataclass

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.data.preprocessing import Foreground, find_foreground, intensity_range
from d24fad_core.data.volume import Plane, Volume

_MARGIN = 1.06
_BATCH = 32


@dataclass(frozen=True, eq=False)
class SliceGrid:
    """Where the pixels of a stack of slices lie in a canonical volume.

    Attributes:
        plane: plane of the slices.
        orientation: nibabel orientation transform from source axes to canonical axes.
        source_shape: shape of the source array.
        spacing: canonical voxel size in mm.
        centre: in-plane centre of the images, canonical voxel index of (column, row) axis.
        side: side length of the images in mm.
        image_size: pixels a side.
        first: canonical index of the first slice.
        count: number of slices.
    """

    plane: Plane
    orientation: NDArray[np.float64]
    source_shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    centre: tuple[float, float]
    side: float
    image_size: int
    first: int
    count: int

    @property
    def column_axis(self) -> int:
        """Canonical axis that runs along the columns."""
        return 1 if self.plane is Plane.SAGITTAL else 0

    @property
    def row_axis(self) -> int:
        """Canonical axis that runs along the rows."""
        return 1 if self.plane is Plane.AXIAL else 2

    @property
    def canonical_shape(self) -> tuple[int, int, int]:
        """Shape of the canonical array."""
        shape = [0, 0, 0]
        for source_axis in range(3):
            shape[int(self.orientation[source_axis, 0])] = self.source_shape[source_axis]
        return shape[0], shape[1], shape[2]

    @property
    def source_axis(self) -> int:
        """Axis of the source array that the slices are stacked along."""
        return int(np.flatnonzero(self.orientation[:, 0] == self.plane.axis)[0])

    @property
    def reversed(self) -> bool:
        """Whether slice numbers of the source array run against the canonical ones."""
        return bool(self.orientation[self.source_axis, 1] < 0)

    def source_slice(self, index: int) -> int:
        """Slice number in the source array of slice `index` of this stack."""
        canonical = self.first + index
        length = self.source_shape[self.source_axis]
        return length - 1 - canonical if self.reversed else canonical

    def _pixel_positions(self, axis: int, centre: float) -> NDArray[np.float64]:
        """Canonical voxel coordinate of each pixel centre; both image axes run against RAS."""
        pixel = self.side / self.image_size
        offsets = self.side / 2 - (np.arange(self.image_size) + 0.5) * pixel
        return centre + offsets / self.spacing[axis]

    def _matrices(self, *, inward: bool) -> tuple[Tensor, Tensor]:
        """Resampling matrices for rows and columns, to the images or back from them."""
        matrices = []
        for axis, centre in ((self.row_axis, self.centre[1]), (self.column_axis, self.centre[0])):
            positions = self._pixel_positions(axis, centre)
            length = self.canonical_shape[axis]
            if inward:
                step = self.side / self.image_size / self.spacing[axis]
                matrix = _triangle_weights(positions, length, max(step, 1.0))
            else:
                step = abs(positions[1] - positions[0])
                pixels = (positions[0] - np.arange(length)) / step
                matrix = _triangle_weights(pixels, self.image_size, 1.0)
            matrices.append(torch.from_numpy(matrix.astype(np.float32)))
        return matrices[0], matrices[1]

    def to_images(self, canonical: NDArray[np.float32]) -> Tensor:
        """Resample a canonical array into slice images, (S, N, N); 0 outside the volume."""
        rows, columns = self._matrices(inward=True)
        stacked = np.moveaxis(canonical, self.plane.axis, 0)[self.first : self.first + self.count]
        # In RAS order the remaining axes are (column axis, row axis).
        chunks = []
        for start in range(0, self.count, _BATCH):
            part = torch.from_numpy(np.ascontiguousarray(stacked[start : start + _BATCH]))
            chunks.append(rows @ (columns @ part).transpose(1, 2))
        return torch.cat(chunks)

    def to_source(self, maps: Tensor) -> NDArray[np.float32]:
        """Bring slice maps, (S, N, N), onto the source grid; 0 where no slice reaches."""
        rows, columns = self._matrices(inward=False)
        canonical = np.zeros(self.canonical_shape, np.float32)
        stacked = np.moveaxis(canonical, self.plane.axis, 0)
        for start in range(0, self.count, _BATCH):
            part = maps[start : start + _BATCH].float()
            volume = (rows @ part @ columns.T).transpose(1, 2)
            stacked[self.first + start : self.first + start + len(part)] = volume.numpy()
        return self.from_canonical(canonical)

    def from_canonical(self, canonical: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring a canonical array back to the source's axis order and direction."""
        order = self.orientation[:, 0].astype(int)
        source = np.transpose(canonical, order)
        flipped = [
            slice(None, None, -1) if self.orientation[axis, 1] < 0 else slice(None)
            for axis in range(3)
        ]
        return np.ascontiguousarray(source[tuple(flipped)])


@dataclass(frozen=True, eq=False)
class SliceStack:
    """The foreground slices of a volume in one plane, ready for a teacher.

    Attributes:
        images: (S, N, N) float32 in [0, 1].
        foreground: (S, N, N) bool.
        positions: (S,) relative place along the foreground, 0 for the first slice, 1 for the last.
        grid: the way back.
    """

    images: Tensor
    foreground: Tensor
    positions: Tensor
    grid: SliceGrid

    def __len__(self) -> int:
        return len(self.images)


def _triangle_weights(
    positions: NDArray[np.float64], length: int, width: float
) -> NDArray[np.float64]:
    """Matrix (len(positions), length) of linear interpolation, widened against aliasing.

    Rows sum to 1 where the position lies within half a sample of the axis, and are 0 beyond.
    """
    distance = np.abs(positions[:, None] - np.arange(length)[None, :])
    weights = np.clip(1.0 - distance / width, 0.0, None)
    totals = weights.sum(axis=1, keepdims=True)
    inside = (positions > -0.5 - 1e-9) & (positions < length - 0.5 + 1e-9)
    return np.where(inside[:, None] & (totals > 0), weights / np.maximum(totals, 1e-12), 0.0)


def to_canonical(volume: Volume) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The volume's array with axes nearest to right, anterior, superior, and the transform."""
    orientation = nibabel.orientations.io_orientation(volume.affine)
    canonical = nibabel.orientations.apply_orientation(volume.array, orientation)
    return canonical, orientation


def slice_volume(
    volume: Volume,
    plane: Plane,
    image_size: int,
    ct_window: str,
    grid: SliceGrid | None = None,
) -> SliceStack:
    """Cut a volume into normalised slices that cover its foreground.

    Images are square, centred on the foreground and scaled to it, with the body's proportions kept
    whatever the voxel size, so that normal studies of different patients lie upon each other.

    Args:
        volume: the study.
        plane: plane to slice in.
        image_size: pixels a side.
        ct_window: name of the window that CT values are shown in.
        grid: where to slice; None follows the volume's own foreground.

    Raises:
        InputError: the volume has no foreground.
        ConfigurationError: the CT window's name is unknown.
    """
    canonical, orientation = to_canonical(volume)
    order = orientation[:, 0].astype(int)
    sizes = [0.0, 0.0, 0.0]
    for source_axis in range(3):
        sizes[order[source_axis]] = volume.spacing[source_axis]
    spacing = (sizes[0], sizes[1], sizes[2])
    foreground = find_foreground(canonical, spacing, volume.modality, volume.name)
    low, high = intensity_range(canonical, foreground, volume.modality, ct_window)

    if grid is None:
        grid = _grid_of(volume, plane, image_size, orientation, spacing, foreground)
    images = ((grid.to_images(canonical) - low) / (high - low)).clamp(0.0, 1.0)
    coarse = foreground.mask
    fine_index = [np.arange(canonical.shape[axis]) // foreground.step[axis] for axis in range(3)]
    mask = grid.to_images(coarse[np.ix_(*fine_index)].astype(np.float32)) > 0.5
    positions = torch.linspace(0.0, 1.0, grid.count) if grid.count > 1 else torch.zeros(1)
    return SliceStack(images, mask, positions, grid)


def _grid_of(
    volume: Volume,
    plane: Plane,
    image_size: int,
    orientation: NDArray[np.float64],
    spacing: tuple[float, float, float],
    foreground: Foreground,
) -> SliceGrid:
    column_axis = 1 if plane is Plane.SAGITTAL else 0
    row_axis = 1 if plane is Plane.AXIAL else 2
    extents = [
        (foreground.last[axis] - foreground.first[axis] + 1) * spacing[axis]
        for axis in (column_axis, row_axis)
    ]
    first, last = foreground.first, foreground.last
    return SliceGrid(
        plane=plane,
        orientation=orientation,
        source_shape=volume.shape,
        spacing=spacing,
        centre=(
            (first[column_axis] + last[column_axis]) / 2,
            (first[row_axis] + last[row_axis]) / 2,
        ),
        side=max(extents) * _MARGIN,
        image_size=image_size,
        first=first[plane.axis],
        count=last[plane.axis] - first[plane.axis] + 1,
    )
