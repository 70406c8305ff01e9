"""A scan whose header has been read and whose voxels have not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from d24fad_core.volumes.volume import Modality


@dataclass(frozen=True, eq=False)
class StoredScan:
    """A scan in its file or folder.

    Attributes:
        shape: voxels along each array axis, as stored.
        affine: 4x4 matrix from voxel index to RAS mm.
        read: gives all values, float32, of that shape.
        read_slabs: gives them in slabs along the third axis, in one pass; its argument is the
            number of slices of a slab. The shape without trailing axes of length 1 must have
            three.
        modality: where the header says it.
        acquired: the day it was made, where the header says it.
        doubt: what the header does not say about the geometry; a sentence for behind its name.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    read: Callable[[], NDArray[np.float32]]
    read_slabs: Callable[[int], Iterator[NDArray[np.float32]]]
    modality: Modality | None = None
    acquired: date | None = None
    doubt: str | None = None
