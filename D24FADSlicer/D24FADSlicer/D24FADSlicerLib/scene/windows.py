"""Grey levels that mean the same in two views."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

_AIR_HU = -200.0
"""A volume with values below this is a CT: MR intensities are not negative like that."""


def equalize(volume: Any, other: Any) -> None:
    """Give another volume the grey levels of a volume.

    Two CTs get the same window. MR intensities have no unit, so what is as bright within its
    study as the ends of the volume's window becomes the ends of the other's.
    """
    display, other_display = volume.GetDisplayNode(), other.GetDisplayNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    values, other_values = _sample(volume), _sample(other)
    if values.min() > _AIR_HU or other_values.min() > _AIR_HU:
        low, high = (_same_rank(limit, values, other_values) for limit in (low, high))
    other_display.AutoWindowLevelOff()
    other_display.SetWindowLevelMinMax(low, max(high, low + 1e-3))


def _sample(volume: Any) -> NDArray[np.float64]:
    array = slicer.util.arrayFromVolume(volume)
    return np.asarray(array[:: max(len(array) // 40, 1), ::3, ::3], dtype=np.float64).ravel()


def _same_rank(limit: float, values: NDArray, others: NDArray) -> float:
    """The value with the rank among the others that a limit has among the values.

    The body alone counts, so that more air around it changes nothing. Beyond the brightest value
    it goes on in proportion.
    """
    body = np.sort(values[values > values.min()])
    other_body = np.sort(others[others > others.min()])
    if not body.size or not other_body.size:
        return limit
    if limit <= body[0]:
        return float(others.min() + (limit - values.min()))
    if limit >= body[-1]:
        scale = (other_body[-1] - others.min()) / (body[-1] - values.min())
        return float(others.min() + (limit - values.min()) * scale)
    rank = float(np.searchsorted(body, limit)) / body.size
    return float(np.quantile(other_body, rank))
