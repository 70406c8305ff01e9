"""The patient in a CT, without the table and what lies on it."""

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.volumes.preprocessing import find_foreground
from d24fad_core.volumes.volume import Volume, spacing_of


def body_mask(volume: Volume) -> NDArray[np.bool_]:
    """The body, with a rim of about 3 mm so that nothing at the skin is lost.

    Returns:
        (I, J, K) boolean, on the grid of the scan.

    Raises:
        InputError: the scan has no foreground.
    """
    orientation = nibabel.orientations.io_orientation(volume.affine)
    canonical = nibabel.orientations.apply_orientation(volume.array, orientation)
    sizes = spacing_of(volume.affine @ nibabel.orientations.inv_ornt_aff(orientation, volume.shape))
    foreground = find_foreground(canonical, sizes, volume.modality, volume.name)
    coarse = ndimage.binary_dilation(foreground.mask)
    nearest = [np.arange(canonical.shape[axis]) // foreground.step[axis] for axis in range(3)]
    back = nibabel.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], orientation)
    inside: NDArray[np.bool_] = nibabel.orientations.apply_orientation(
        coarse[np.ix_(*nearest)], back
    ).astype(bool)
    return inside
