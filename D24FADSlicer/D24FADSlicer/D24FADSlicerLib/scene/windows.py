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

    Two CTs get the same window. MR intensities have no unit, so the window is moved and stretched
    as the middle half of the body's intensities is from one study to the other.
    """
    display, other_display = volume.GetDisplayNode(), other.GetDisplayNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    values, other_values = _sample(volume), _sample(other)
    if values.min() > _AIR_HU or other_values.min() > _AIR_HU:
        ends, other_ends = _middle_half(values), _middle_half(other_values)
        span = ends[1] - ends[0]
        scale = (other_ends[1] - other_ends[0]) / span if span > 0 else 1.0
        low, high = (other_ends[0] + (limit - ends[0]) * scale for limit in (low, high))
    other_display.AutoWindowLevelOff()
    other_display.SetWindowLevelMinMax(low, max(high, low + 1e-3))


def _sample(volume: Any) -> NDArray[np.float64]:
    array = slicer.util.arrayFromVolume(volume)
    return np.asarray(array[:: max(len(array) // 40, 1), ::3, ::3], dtype=np.float64).ravel()


def _middle_half(values: NDArray[np.float64]) -> tuple[float, float]:
    """The quartiles of the body's intensities; air around it counts for nothing."""
    body = values[values > values.mean()]
    if not body.size:
        body = values
    low, high = np.quantile(body, (0.25, 0.75))
    return float(low), float(high)
