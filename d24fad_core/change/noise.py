"""How far two scans of an unchanged patient differ, read off the pair itself.

Most of a pair has not changed, so the robust spread of its difference is that of test and retest.
It grows with the contrast of the tissue around, where a rest of misplacement or another sharpness
shows as a difference, at the rim, and where artefacts are; so it is measured by strength of the
edges, at the rim apart, and corrected by region.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.change.resolution import blurred

_RIM_MM = 3.0
_CLASSES = 24
_FEWEST = 400
_REGION_MM = 12.0
_CUT = 3.0
_GAIN_DOUBT = 0.02
"""Share of the contrast to the usual tissue that two scans render otherwise, as unlike echo times
do; it matters only for what is far brighter or darker than most."""
_TO_DEVIATION = 1.4826
_CUT_VARIANCE = 0.973
"""Of a normal variable cut at 3 deviations."""


def edge_strength(
    case: NDArray[np.float32],
    prior: NDArray[np.float32],
    sigma_mm: float,
    spacing: tuple[float, float, float],
) -> NDArray[np.float32]:
    """(I, J, K) how much both studies vary from voxel to voxel, intensity a mm."""
    mean = blurred((case + prior) / 2.0, sigma_mm, spacing)
    squares = np.zeros(mean.shape, dtype=np.float32)
    for axis, size in enumerate(spacing):
        squares += (np.gradient(mean, axis=axis) / np.float32(size)) ** 2
    return np.sqrt(squares)


def contrast_doubt(
    case: NDArray[np.float32], prior: NDArray[np.float32], inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(I, J, K) the deviation that unlike contrast adds at each voxel."""
    mean = (case + prior) / 2.0
    doubt: NDArray[np.float32] = np.float32(_GAIN_DOUBT) * np.abs(mean - np.median(mean[inside]))
    return doubt


def local_spread(
    difference: NDArray[np.float32],
    edges: NDArray[np.float32],
    inside: NDArray[np.bool_],
    depth_mm: NDArray[np.float32],
    spacing: tuple[float, float, float],
) -> NDArray[np.float32]:
    """The spread of an unchanged patient's difference at each voxel.

    Args:
        difference: (I, J, K) case less prior.
        edges: from `edge_strength`.
        inside: what is compared.
        depth_mm: how deep inside a voxel lies.
        spacing: size of a voxel in mm.

    Returns:
        Standard deviations, 1 where nothing is compared.
    """
    spread = np.ones(difference.shape, dtype=np.float32)
    rim = depth_mm <= _RIM_MM
    for part in (inside & rim, inside & ~rim):
        if part.any():
            spread[part] = _by_edges(difference[part], edges[part])
    scores = np.where(inside, np.minimum((difference / spread) ** 2, _CUT**2), 0.0)
    weights = blurred(inside.astype(np.float32), _REGION_MM, spacing)
    region = blurred(scores.astype(np.float32), _REGION_MM, spacing) / np.maximum(weights, 1e-6)
    correction = np.sqrt(np.maximum(region / _CUT_VARIANCE, 1e-6))
    # A quiet region gives no licence for smaller noise than voxels of its kind have.
    spread[inside] *= np.maximum(correction[inside], 1.0)
    return spread


def _by_edges(differences: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Robust spread of the differences at each edge strength, interpolated between classes."""
    count = int(np.clip(len(edges) // _FEWEST, 1, _CLASSES))
    order = np.argsort(edges, kind="stable")
    places, spreads = [], []
    for members in np.array_split(order, count):
        values = differences[members]
        places.append(float(np.median(edges[members])))
        # About 0, not about their middle: a shift of a class is a difference of acquisition.
        spreads.append(_TO_DEVIATION * float(np.median(np.abs(values))))
    floor = max(float(np.median(spreads)) * 0.1, 1e-6)
    smooth = ndimage.uniform_filter1d(np.maximum(spreads, floor), 3, mode="nearest")
    # Beyond the strongest class a misplacement shows in proportion to the edge.
    beyond = np.maximum(edges / max(places[-1], 1e-6), 1.0)
    spread: NDArray[np.float32] = (np.interp(edges, places, smooth) * beyond).astype(np.float32)
    return spread
