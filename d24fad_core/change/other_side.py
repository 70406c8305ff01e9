"""The other side of a symmetric organ, which shows what neither study shows: the tissue unchanged.

Radiologists compare the sides of a head. Of two studies of a patient, the one that resembles the
other side at a place is the normal one there.
"""

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from d24fad_core.change.pair import RegisteredPair
from d24fad_core.change.resolution import resampled
from d24fad_core.support.mirror import mirror_image

_VOXEL_MM = 1.5
LEAST_SYMMETRY = 0.5
"""Correlation of what both studies show with its mirror image, below which sides differ.

In ten people it was 0.65 to 0.72.
"""


def other_side(pair: RegisteredPair) -> NDArray[np.float32] | None:
    """The mirror image of what case and prior show together.

    Args:
        pair: case and prior.

    Returns:
        (I, J, K) on the grid of the pair, in its intensities, 0 where it shows nothing; None where
        the sides are not alike, as in a trunk or in part of a head.
    """
    together = np.where(pair.inside, (pair.case + pair.prior) / 2.0, 0.0).astype(np.float32)
    lowest = float(together[pair.inside].min())
    # The mirror image is laid upon what is above 0.
    together[pair.inside] -= lowest - 1.0
    shape, upright = _upright_grid(pair)
    identity = sitk.Transform(3, sitk.sitkIdentity)
    small = resampled(together, pair.affine, shape, upright, identity, outside=0.0, smooth=False)
    mirrored = mirror_image(torch.from_numpy(np.ascontiguousarray(small))).numpy()
    length, width, height = pair.case.shape
    counterpart = resampled(
        mirrored,
        upright,
        (length, width, height),
        pair.affine,
        identity,
        outside=0.0,
        smooth=False,
    )
    both = pair.inside & (counterpart > 0)
    if not both.any() or np.corrcoef(together[both], counterpart[both])[0, 1] < LEAST_SYMMETRY:
        return None
    return np.where(counterpart > 0, counterpart + (lowest - 1.0), 0.0).astype(np.float32)


def _upright_grid(pair: RegisteredPair) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Shape and affine of an isotropic grid along the patient's axes (RAS, mm) around a pair."""
    ends = [(0.0, float(length - 1)) for length in pair.case.shape]
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    world = corners @ pair.affine[:3, :3].T + pair.affine[:3, 3]
    first, last = world.min(axis=0), world.max(axis=0)
    right, anterior, superior = (
        int(size) for size in np.ceil((last - first) / _VOXEL_MM).astype(int) + 1
    )
    affine = np.diag([_VOXEL_MM, _VOXEL_MM, _VOXEL_MM, 1.0])
    affine[:3, 3] = first
    return (right, anterior, superior), affine
