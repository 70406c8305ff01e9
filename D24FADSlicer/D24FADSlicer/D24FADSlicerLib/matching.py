"""Which slice of a support study a slice of the case is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHARE_OF_BRIGHTEST = 0.1


def foreground_range(array: NDArray, axis: int) -> tuple[int, int]:
    """The first and last slice that show the body.

    Args:
        array: voxels; air is darkest.
        axis: the axis that slices are stacked along.

    Returns:
        Indices of the first and last slice; the whole range of an image without contrast.
    """
    means = np.asarray(array, np.float32).mean(
        axis=tuple(other for other in range(array.ndim) if other != axis)
    )
    span = float(means.max() - means.min())
    if span <= 0:
        return 0, len(means) - 1
    inside = np.nonzero(means - means.min() > _SHARE_OF_BRIGHTEST * span)[0]
    return int(inside[0]), int(inside[-1])


def matched_slice(index: int, query: tuple[int, int], support: tuple[int, int]) -> int:
    """The support's slice at the same relative place along the body.

    Args:
        index: slice of the case.
        query: first and last slice of the case that show the body.
        support: the same of the support study.
    """
    first, last = query
    place = (index - first) / max(last - first, 1)
    place = min(max(place, 0.0), 1.0)
    return round(support[0] + place * (support[1] - support[0]))
