"""What the other side shows at the place of a change.

The two sides of a head do not lie exactly upon each other: a fold, and the border of two tissues,
may lie some millimetres off. So the mirror image is moved about until it resembles the surroundings
of the change, which did not change, and is read there: block matching, with the mean of all good
matches as in non-local means (Buades, Coll and Morel, CVPR 2005).
"""

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.change.pair import RegisteredPair
from d24fad_core.change.regions import ChangedRegion

_REACH_MM = 4.5
_STEP_MM = 1.5
_AROUND_MM = (1.5, 5.0)
_COST_OF_A_MM = 0.0009
"""Per mm², in squares of the change: of two places that fit alike the nearer one counts more."""
_SOFTNESS = 0.01
"""How much worse a match counts half, about, in squares of the change."""
_LEAST_SHARE = 0.5
_LEAST_VOXELS = 30


def counterpart(
    pair: RegisteredPair, region: ChangedRegion, mirrored: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], float] | None:
    """What the other side shows in place of a region.

    Args:
        pair: case and prior.
        region: what changed.
        mirrored: see `other_side`, on the grid of the pair.

    Returns:
        Which voxels of the region have another side, boolean over the voxels inside in the order
        of `numpy.nonzero`, and the median there; None where the other side does not show half of
        the region, or nothing that is like its surroundings.
    """
    spacing = np.array(pair.spacing)
    steps = np.maximum(np.rint(_STEP_MM / spacing), 1.0).astype(int)
    counts = np.floor(_REACH_MM / (steps * spacing)).astype(int)
    pad = steps * counts
    padded = np.pad(mirrored[region.box], [(int(size), int(size)) for size in pad])
    inside, around = np.argwhere(region.inside), np.argwhere(_surroundings(pair, region))
    if len(around) < _LEAST_VOXELS:
        return None
    together = (pair.case[region.box] + pair.prior[region.box]) / 2.0
    surroundings = together[tuple(around.T)]
    costs: list[float] = []
    views: list[NDArray[np.float32]] = []
    for offset in itertools.product(*(range(-n, n + 1) for n in counts)):
        move = steps * offset
        there = padded[tuple((around + move + pad).T)]
        view = padded[tuple((inside + move + pad).T)]
        in_view = there > 0
        if in_view.mean() < _LEAST_SHARE or in_view.sum() < _LEAST_VOXELS:
            continue
        if (view > 0).mean() < _LEAST_SHARE:
            continue
        misfit = float(np.mean((surroundings[in_view] - there[in_view]) ** 2)) / region.amount**2
        costs.append(misfit + _COST_OF_A_MM * float(((move * spacing) ** 2).sum()))
        views.append(view)
    if not costs:
        return None
    weights = np.exp((min(costs) - np.array(costs)) / _SOFTNESS)[:, None]
    values = np.stack(views)
    weight = (weights * (values > 0)).sum(axis=0)
    known = weight > 0
    mean = (weights * values).sum(axis=0)[known] / weight[known]
    return known, float(np.median(mean))


def _surroundings(pair: RegisteredPair, region: ChangedRegion) -> NDArray[np.bool_]:
    """What lies around a region, beyond the blur of its border."""
    distance = ndimage.distance_transform_edt(~region.inside, sampling=pair.spacing)
    near, far = _AROUND_MM
    around: NDArray[np.bool_] = (distance > near) & (distance <= far) & pair.inside[region.box]
    return around
