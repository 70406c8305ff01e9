"""Scores as colours over a grey image, the same in the picture of every case."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

SCALE_MAXIMUM = 10.0
"""Score in z units at the bright end of the colours."""

ALPHA_AT_THRESHOLD, ALPHA_AT_MAXIMUM = 0.45, 0.8
"""Opacity just above the threshold and at the bright end."""


def colours() -> "Colormap":
    """The colours from the lowest to the highest score."""
    # Matplotlib takes a while to import, and only what draws needs it.
    from matplotlib import colormaps

    return colormaps["inferno"]


@dataclass(frozen=True)
class ColourScale:
    """How scores become colours; depends on the threshold only, never on the case.

    Attributes:
        threshold: scores up to it are transparent, z units.
        maximum: score at the bright end; higher scores look the same.
    """

    threshold: float
    maximum: float

    @classmethod
    def above(cls, threshold: float) -> "ColourScale":
        """The scale for a threshold; it ends at `SCALE_MAXIMUM`.

        A threshold that leaves no quarter of the scale for findings doubles it, in steps, so that
        cases stay comparable as far as possible.
        """
        maximum = SCALE_MAXIMUM
        while threshold > 0.75 * maximum:
            maximum *= 2
        return cls(threshold, maximum)

    def rgba(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Colour and opacity of scores in z units: values 0 to 1, shape (..., 4)."""
        rgba = np.asarray(colours()(scores / self.maximum), dtype=np.float64)
        rise = (scores - self.threshold) / (self.maximum - self.threshold)
        alpha = ALPHA_AT_THRESHOLD + (ALPHA_AT_MAXIMUM - ALPHA_AT_THRESHOLD) * rise.clip(0, 1)
        rgba[..., 3] = np.where(scores > self.threshold, alpha, 0.0)
        return rgba
