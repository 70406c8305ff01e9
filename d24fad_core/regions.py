"""Regions of masks, numbered and boxed in one way everywhere."""

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

CONNECTIVITY = 26
"""Voxels that share a face, an edge or a corner belong together.

With thick slices an oblique lesion often steps from slice to slice by its corners alone; face
connectivity would count it several times. Lesion-wise evaluation in the field (MS lesions, BraTS)
counts the same way.
"""

_CONNECTIVITY_2D = 8


def label_regions(mask: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Number the connected regions of a mask from 1; 0 is outside.

    8 neighbours connect in 2-D, 26 in 3-D.

    Args:
        mask: (I, J) or (I, J, K).
    """
    # As numbers: for bool, connected-components-3d 4.1.1 invents pixels in some 2-D masks, and
    # fails on some that are one voxel thick.
    labels: NDArray[np.uint32] = cc3d.connected_components(
        np.ascontiguousarray(mask).astype(np.uint8),
        connectivity=_CONNECTIVITY_2D if mask.ndim == 2 else CONNECTIVITY,
        out_dtype=np.uint32,
    )
    return labels


def box_around(
    mask: NDArray[np.bool_], spacing: tuple[float, float, float], reach_mm: float
) -> tuple[slice, slice, slice]:
    """The box of what is true, with so many mm around it within the array.

    Args:
        mask: (I, J, K), true somewhere.
        spacing: size of a voxel in mm.
        reach_mm: margin, rounded up to whole voxels.
    """
    bounds = ndimage.find_objects(mask.astype(np.uint8))[0]
    first, second, third = (
        slice(
            max(part.start - int(np.ceil(reach_mm / size)), 0),
            min(part.stop + int(np.ceil(reach_mm / size)), length),
        )
        for part, size, length in zip(bounds, spacing, mask.shape, strict=True)
    )
    return first, second, third


def occupied_box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds every true voxel of (I, J, K); None where there is none."""
    parts = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        occupied = np.flatnonzero(mask.any(axis=others))
        if occupied.size == 0:
            return None
        parts.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return parts[0], parts[1], parts[2]
