"""Intensity normalisation and foreground of a canonical volume."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.volumes.volume import Modality

CT_WINDOWS: dict[str, tuple[float, float]] = {
    "body": (-1000.0, 400.0),
    "lung": (-1350.0, 150.0),
    "mediastinum": (-160.0, 240.0),
    "abdomen": (-150.0, 250.0),
    "liver": (-20.0, 180.0),
    "brain": (0.0, 80.0),
    "bone": (-450.0, 1050.0),
}
"""Named windows: the HU values that become black and white."""

_MR_PERCENTILES = (1.0, 99.5)
_MR_FOREGROUND_FRACTION = 0.12
_CT_BODY_HU = -400.0
_FOREGROUND_SPACING_MM = 3.0


@dataclass(frozen=True)
class Foreground:
    """Where the patient is.

    Attributes:
        mask: boolean, on every `step`-th voxel of the canonical array.
        step: stride of the coarse grid along each axis.
        first: lowest voxel index of the canonical array inside, per axis.
        last: highest voxel index inside, per axis, inclusive.
    """

    mask: NDArray[np.bool_]
    step: tuple[int, int, int]
    first: tuple[int, int, int]
    last: tuple[int, int, int]


@dataclass(frozen=True)
class Normalisation:
    """What a study's slices of any plane are normalised by.

    Attributes:
        foreground: where the patient is.
        low: value that becomes 0.
        high: value that becomes 1.
    """

    foreground: Foreground
    low: float
    high: float


def find_foreground(
    array: NDArray[np.float32], spacing: tuple[float, float, float], modality: Modality, name: str
) -> Foreground:
    """Find head or body on a grid of about 3 mm: largest component, holes filled.

    Args:
        array: canonical (RAS) voxel values, (X, Y, Z).
        spacing: voxel size in mm.
        modality: CT is thresholded at -400 HU, MR at 12 % of its 99th percentile.
        name: what to call the scan in errors.

    Raises:
        InputError: nothing stands out from the background.
    """
    strides = [max(1, int(_FOREGROUND_SPACING_MM // size)) for size in spacing]
    step = (strides[0], strides[1], strides[2])
    coarse = array[:: step[0], :: step[1], :: step[2]]
    if modality is Modality.CT:
        candidate = coarse > _CT_BODY_HU
        # Cuts the thin bridges between body and table.
        opened = ndimage.binary_opening(candidate, iterations=1)
        candidate = opened if opened.any() else candidate
    else:
        floor, ceiling = np.percentile(coarse, (0.5, 99.0))
        candidate = coarse > floor + _MR_FOREGROUND_FRACTION * (ceiling - floor)
    labels, count = ndimage.label(candidate)
    if count == 0:
        raise InputError(
            f"{name}: no foreground found (modality {modality.value}, values "
            f"{float(array.min()):g} to {float(array.max()):g})",
            "check the modality and the file.",
        )
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    mask: NDArray[np.bool_] = labels == int(sizes.argmax())
    mask = ndimage.binary_closing(np.pad(mask, 2), iterations=2)[2:-2, 2:-2, 2:-2]
    for index in range(mask.shape[2]):
        # Slice by slice, since lungs and sinuses are open to the outside in 3-D.
        mask[:, :, index] = ndimage.binary_fill_holes(mask[:, :, index])
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    first = [box[axis].start * step[axis] for axis in range(3)]
    last = [
        min((box[axis].stop - 1) * step[axis] + step[axis] - 1, array.shape[axis] - 1)
        for axis in range(3)
    ]
    return Foreground(mask, step, (first[0], first[1], first[2]), (last[0], last[1], last[2]))


def intensity_range(
    array: NDArray[np.float32], foreground: Foreground, modality: Modality, ct_window: str
) -> tuple[float, float]:
    """Values that become 0 and 1: the named window for CT, robust percentiles inside for MR.

    Raises:
        ConfigurationError: the window's name is unknown.
    """
    if modality is Modality.CT:
        if ct_window not in CT_WINDOWS:
            raise ConfigurationError(
                f"unknown CT window '{ct_window}'",
                f"choose one of {', '.join(CT_WINDOWS)}.",
            )
        return CT_WINDOWS[ct_window]
    step = foreground.step
    inside = array[:: step[0], :: step[1], :: step[2]][foreground.mask]
    low, high = np.percentile(inside, _MR_PERCENTILES)
    return float(low), float(max(high, low + 1e-6))
