"""Guessing what the values of a scan mean, where neither its header nor the user says it."""

import numpy as np
from numpy.typing import NDArray

from d24fad_core.volumes.volume import Modality

LOWEST_MR = -500.0
"""HU of air, and below what any MR scanner stores as magnitude."""

_AIR_HU = (-1100.0, -700.0)


def guess_modality(array: NDArray[np.float32]) -> Modality:
    """CT where the values look like HU, else MR.

    HU reach far below zero in air, and are whole numbers or (once resampled) mostly those of air
    and lung down there. Only values up to `LOWEST_MR` count.
    """
    low = array[array <= LOWEST_MR]
    if low.size == 0:
        return Modality.MR
    whole = bool((low == np.rint(low)).mean() > 0.99)
    air = _AIR_HU[0] <= float(np.median(low)) <= _AIR_HU[1]
    return Modality.CT if whole or air else Modality.MR
