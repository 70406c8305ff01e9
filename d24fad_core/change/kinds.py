"""What became of a place: new, grown, shrunk or gone, and its volume at both times.

Nobody says what the patient's tissue should look like; its surroundings do. A lesion differs from
them, so what changed appeared where the case differs from the tissue around it more than the prior
did, and vanished otherwise. Normals, where they are at hand, know more: the study that is less
abnormal there is the normal one. The other side of a head, which is the patient's own, knows most:
the study that resembles it is (`counterpart`).
A compact part that adjoins and looks alike in both studies is the lesion that was there before.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.change.counterpart import counterpart
from d24fad_core.change.pair import RegisteredPair
from d24fad_core.change.regions import ChangedRegion
from d24fad_core.change.result import ChangeKind
from d24fad_core.regions import label_regions

_RIM_MM = 2.0
_AROUND_MM = (0.8, 3.0)
_LARGEST_CORE = 8.0
"""Volumes of the change: what adjoins and is larger is anatomy, not a lesion."""
_SMALLEST_CORE = 0.3
"""Volumes of the change: less than this adjoins by chance."""
_GAP_VOXELS = 2
_SMALLEST_CORE_ML = 0.014


@dataclass(frozen=True, eq=False)
class Abnormality:
    """How abnormal case and prior are against normals, on the grid of the pair.

    Attributes:
        case: (I, J, K) scores of the case.
        prior: scores of the prior at the places of the case.
    """

    case: NDArray[np.float32]
    prior: NDArray[np.float32]


@dataclass(frozen=True)
class ChangeMeasure:
    """What became of a region.

    Attributes:
        kind: as reported.
        volume_ml: in the case.
        prior_volume_ml: in the prior.
    """

    kind: ChangeKind
    volume_ml: float
    prior_volume_ml: float


def measure_change(
    pair: RegisteredPair,
    region: ChangedRegion,
    abnormality: Abnormality | None,
    mirrored: NDArray[np.float32] | None,
) -> ChangeMeasure:
    """Say what became of a region.

    Args:
        pair: case and prior.
        region: what changed.
        abnormality: against normals; None where there are none.
        mirrored: see `other_side`; None where the sides are not alike.
    """
    there = None if mirrored is None else counterpart(pair, region, mirrored)
    if there is not None:
        appeared = _less_like_the_other_side(pair, region, *there)
    elif abnormality is not None:
        appeared = _more_abnormal(region, abnormality)
    else:
        appeared = _differs_more_from_its_surroundings(pair, region)
    changed = np.count_nonzero(region.inside) * pair.voxel_ml
    now, before = _with_core(pair, region, appeared=appeared)
    core = min(now, before)
    if core < max(_SMALLEST_CORE * changed, _SMALLEST_CORE_ML):
        if appeared:
            return ChangeMeasure(ChangeKind.NEW, changed, 0.0)
        return ChangeMeasure(ChangeKind.GONE, 0.0, changed)
    whole = max(now, before)
    # What shows at the time of the smaller lesion includes some tissue that looks like it, and
    # what the change leaves of the larger one lacks some: the mean errs least.
    rest = (core + max(whole - changed, 0.0)) / 2.0
    if appeared:
        return ChangeMeasure(ChangeKind.GROWN, whole, rest)
    return ChangeMeasure(ChangeKind.SHRUNK, rest, whole)


def _more_abnormal(region: ChangedRegion, abnormality: Abnormality) -> bool:
    """Whether the case is more abnormal than the prior, against normals."""
    maps = (abnormality.case, abnormality.prior)
    now, before = (float(part[region.box][region.inside].mean()) for part in maps)
    return now >= before


def _less_like_the_other_side(
    pair: RegisteredPair, region: ChangedRegion, there: NDArray[np.bool_], normal: float
) -> bool:
    """Whether the case resembles the other side less than the prior does."""
    now, before = (
        abs(float(np.median(part[region.box][region.inside][there])) - normal)
        for part in (pair.case, pair.prior)
    )
    return now >= before


def _differs_more_from_its_surroundings(pair: RegisteredPair, region: ChangedRegion) -> bool:
    """Whether the case differs more from the tissue around the region than the prior does."""
    inside = region.inside
    filled = ndimage.binary_fill_holes(inside)
    outwards = ndimage.distance_transform_edt(~filled, sampling=pair.spacing)
    inwards = ndimage.distance_transform_edt(filled, sampling=pair.spacing)
    near, far = _AROUND_MM
    around = (outwards > near) & (outwards <= max(far, *pair.spacing)) & pair.inside[region.box]
    # Near the border on either side: farther off, tissue is another.
    rim = inside & (inwards <= max(_RIM_MM, *pair.spacing))
    if not around.any() or not rim.any():
        return True
    now, before = (
        abs(float(part[region.box][rim].mean() - part[region.box][around].mean()))
        for part in (pair.case, pair.prior)
    )
    return now >= before


def _with_core(
    pair: RegisteredPair, region: ChangedRegion, *, appeared: bool
) -> tuple[float, float]:
    """Volumes in ml, in case and prior, of a change with the lesion that was there all along.

    Both are 0 where no such lesion adjoins.
    """
    inside = region.inside
    case, prior = pair.case[region.box], pair.prior[region.box]
    # The side of the lesion: where the case went when it appeared, where it came from otherwise.
    side = np.sign(region.amount) * (1.0 if appeared else -1.0)
    lesion, tissue = (case, prior) if appeared else (prior, case)
    border = (float(np.median(lesion[inside])) + float(np.median(tissue[inside]))) / 2.0
    now, before = (((part - border) * side > 0) & pair.inside[region.box] for part in (case, prior))
    core = _adjoining(now & before & ~inside, inside)
    if not core.any():
        return 0.0, 0.0
    # The border of half the change is blurred; that of each study is not.
    whole = core | ndimage.binary_dilation(inside)
    first, second = (np.count_nonzero(part & whole) * pair.voxel_ml for part in (now, before))
    return first, second


def _adjoining(alike: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The compact parts that touch a change.

    What is larger or goes on is anatomy; of it, what the change lies around counts.
    """
    labels = label_regions(alike)
    touched = np.unique(labels[ndimage.binary_dilation(inside) & alike])
    largest = _LARGEST_CORE * np.count_nonzero(inside)
    core = np.zeros_like(alike)
    for label in touched[touched > 0]:
        part = labels == label
        if np.count_nonzero(part) <= largest and not _reaches_border(part):
            core |= part
        else:
            core |= part & _enclosed(inside)
    return core


def _enclosed(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What a region lies around, also where it has gaps."""
    enclosed: NDArray[np.bool_] = ndimage.binary_fill_holes(
        ndimage.binary_closing(inside, iterations=_GAP_VOXELS)
    )
    return enclosed


def _reaches_border(part: NDArray[np.bool_]) -> bool:
    return any(bool(np.take(part, end, axis).any()) for axis in range(3) for end in (0, -1))
