"""Detection in the case alone, against normals: what there is without a prior."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.io.reading import read_volume
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume

_NORMALS = "normal_t1_ds002748/at_1_5_mm"
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


def real_normals(shared: Path) -> list[Volume]:
    """The normals of the benchmark.

    Args:
        shared: folder of shared volumes.
    """
    return [read_volume(shared / _NORMALS / f"sub-{number}.nii.gz") for number in _PEOPLE]
