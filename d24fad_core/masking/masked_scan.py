"""A scan restricted to a mask, and maps that are 0 outside it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.volumes.volume import AppliedMask, MaskKind, Modality, Volume

AIR_HU = -1000.0
_BACKGROUND_PERCENTILE = 0.5
_LEAST_VOXELS = 64


def apply_mask(volume: Volume, inside: NDArray[np.bool_], kind: MaskKind) -> Volume:
    """Restrict a scan to a mask: outside, every voxel has the background's value.

    All that finds the foreground, aligns or compares then sees only what is inside.

    Args:
        volume: the scan.
        inside: (I, J, K) boolean, on its grid.
        kind: where the mask comes from.

    Returns:
        The scan with `mask` set; of one that was masked before, the common part of both.

    Raises:
        InputError: the mask is on another grid, or leaves next to nothing.
    """
    if inside.shape != volume.shape:
        raise InputError(
            f"{volume.name}: a mask of {_times(inside.shape)} voxels does not fit a scan of "
            f"{_times(volume.shape)}",
            "give a mask on the scan's own grid.",
        )
    if volume.mask is not None:
        inside = inside & volume.mask.inside
    if np.count_nonzero(inside) < _LEAST_VOXELS:
        raise InputError(
            f"{volume.name}: the mask leaves {np.count_nonzero(inside)} voxels of the scan",
            "give one that covers the organ to be analysed.",
        )
    array = np.where(inside, volume.array, background_value(volume)).astype(np.float32, copy=False)
    return replace(
        volume,
        array=np.asfortranarray(array),
        mask=AppliedMask(inside, kind, volume.source_hash),
    )


def background_value(volume: Volume) -> np.float32:
    """What the scan shows where nobody is: air in CT, its lowest usual value in MR."""
    if volume.modality is Modality.CT:
        return np.float32(AIR_HU)
    sample = volume.array[::2, ::2, ::2]
    # A value that occurs: between two of them, a constant background would no longer be one.
    return np.float32(np.percentile(sample, _BACKGROUND_PERCENTILE, method="lower"))


def zero_outside(heatmap: NDArray[np.float32], mask: AppliedMask | None) -> NDArray[np.float32]:
    """A map of a scan, exactly 0 outside the mask that the scan was restricted to."""
    return heatmap if mask is None else np.where(mask.inside, heatmap, np.float32(0.0))


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape)
