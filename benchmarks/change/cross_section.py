"""Detection in the case alone, against normals: what there is without a prior.

It cannot tell old lesions from new ones, so they count as false once, and neither way once.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.change.measuring import (
    APPEARED,
    LEAST_ML,
    Measured,
    MeasuredPair,
    figures_of,
)
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.io.reading import read_volume
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume

_NORMALS = "normal_t1_ds002748/at_1_5_mm"
AGAINST_NORMALS = ("{kind} against normals", "{kind} against normals, old lesions left out")
"""Names of what each comparison gives."""
_RIM_MM = 4.0
_PEOPLE = range(23, 31)
"""Of the same scanner; neither those that pairs are made of nor those the threshold was set on."""


class CrossSection:
    """Maps of a case against normals, by each comparison.

    Args:
        normals: studies of brains alone.
        kinds: the comparisons.
        cache: folder of what was prepared; None keeps nothing.
    """

    def __init__(
        self,
        normals: Sequence[Volume],
        kinds: Sequence[ComparisonKind] = (ComparisonKind.LEARNED,),
        cache: Path | None = None,
    ) -> None:
        self._normals = normals
        self._kinds = tuple(kinds)
        self._cache = cache

    @cached_property
    def _detector(self) -> Detector:
        return Detector.from_checkpoint(cache_folder=self._cache)

    @cached_property
    def _supports(self) -> dict[ComparisonKind, SupportSet]:
        return {
            kind: self._detector.prepare_support(self._normals, DetectionOptions(comparison=kind))
            for kind in self._kinds
        }

    def maps(self, case: Volume) -> dict[str, NDArray[np.float32]]:
        """(I, J, K) scores of a case by the name of the comparison; 0 where nothing was compared.

        Args:
            case: a study of a brain alone.
        """
        return {
            kind.value: self._detector.detect(
                case, self._supports[kind], DetectionOptions(comparison=kind)
            ).heatmap
            for kind in self._kinds
        }


def measure_case(pair: MeasuredPair, cross_section: CrossSection) -> Measured:
    """Find in the case of a pair what appeared since the prior, without the prior.

    Args:
        pair: case and prior; the case is a brain alone, 0 outside.
        cross_section: analyses the case.
    """
    inside = pair.case.array > 0
    box = ndimage.find_objects(inside.astype(np.uint8))[0]
    appeared, small, old = (part[box] for part in _present(pair))
    small, old = (_with_rim(part, pair.case.spacing) & ~appeared for part in (small, old))
    methods: Measured = {}
    for kind, heatmap in cross_section.maps(pair.case).items():
        for name, left_out in zip(AGAINST_NORMALS, (small, small | old), strict=True):
            methods[name.format(kind=kind)] = figures_of(
                heatmap[box], appeared, inside[box] & ~left_out, pair.case.spacing
            )
    return {"name": pair.name, "methods": methods}


def _with_rim(lesions: NDArray[np.bool_], spacing: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Lesions and what of the heat lies around them."""
    if not lesions.any():
        return lesions
    near: NDArray[np.bool_] = ndimage.distance_transform_edt(~lesions, sampling=spacing) <= _RIM_MM
    return near


def _present(
    pair: MeasuredPair,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Lesions as the case alone shows them, whole: those that appeared, too small, and the old."""
    appeared, small, old = np.zeros((3, *pair.case.shape), dtype=bool)
    for lesion in pair.lesions:
        if lesion.kind not in APPEARED:
            old |= lesion.mask
        elif abs(lesion.volume_ml - lesion.prior_volume_ml) >= LEAST_ML:
            appeared |= lesion.mask
        else:
            small |= lesion.mask
    return appeared, small, old


def real_normals(shared: Path) -> list[Volume]:
    """The normals of the benchmark.

    Args:
        shared: folder of shared volumes.
    """
    return [read_volume(shared / _NORMALS / f"sub-{number}.nii.gz") for number in _PEOPLE]
