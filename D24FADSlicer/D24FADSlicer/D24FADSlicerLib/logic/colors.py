"""The heatmap's colours: the same score has the same colour in every case."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE_MAXIMUM = 10.0
"""Score in z units at the bright end, for thresholds up to 5."""

_INFERNO = (
    (0.001, 0.000, 0.014),
    (0.014, 0.011, 0.072),
    (0.042, 0.028, 0.141),
    (0.082, 0.043, 0.215),
    (0.129, 0.047, 0.291),
    (0.183, 0.040, 0.355),
    (0.238, 0.037, 0.396),
    (0.291, 0.046, 0.419),
    (0.342, 0.062, 0.429),
    (0.391, 0.081, 0.433),
    (0.441, 0.099, 0.432),
    (0.491, 0.117, 0.426),
    (0.541, 0.135, 0.415),
    (0.591, 0.153, 0.400),
    (0.640, 0.171, 0.381),
    (0.689, 0.192, 0.358),
    (0.736, 0.216, 0.330),
    (0.781, 0.243, 0.300),
    (0.822, 0.275, 0.266),
    (0.861, 0.312, 0.231),
    (0.894, 0.353, 0.194),
    (0.923, 0.399, 0.155),
    (0.947, 0.449, 0.115),
    (0.965, 0.502, 0.074),
    (0.978, 0.558, 0.035),
    (0.986, 0.616, 0.026),
    (0.988, 0.675, 0.065),
    (0.984, 0.736, 0.130),
    (0.975, 0.798, 0.206),
    (0.961, 0.859, 0.298),
    (0.948, 0.917, 0.411),
    (0.955, 0.966, 0.540),
    (0.988, 0.998, 0.645),
)


def scale_maximum(threshold: float) -> float:
    """The score at the bright end of the colours for a threshold, z units."""
    return max(SCALE_MAXIMUM, 2 * threshold)


def color_points(threshold: float) -> list[tuple[float, float, float, float]]:
    """The colours as points of a transfer function: score, red, green, blue (0 to 1)."""
    scores = np.linspace(0.0, scale_maximum(threshold), len(_INFERNO))
    return [(float(scores[i]), *color) for i, color in enumerate(_INFERNO)]


def rgb_of(scores: NDArray[Any], threshold: float) -> NDArray[np.uint8]:
    """The colour of scores in z units, shape (..., 3)."""
    places = np.linspace(0.0, scale_maximum(threshold), len(_INFERNO))
    channels = [np.interp(scores, places, [c[i] for c in _INFERNO]) for i in range(3)]
    return np.asarray(np.round(np.stack(channels, axis=-1) * 255), dtype=np.uint8)
