"""What a comparison with a prior yields."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from d24fad_core.detection.result import AnalysisWarning


class ChangeKind(str, Enum):
    """What became of a place since the prior; its value names it in reports."""

    NEW = "new"
    GROWN = "grown"
    SHRUNK = "shrunk"
    GONE = "gone"
    STABLE = "stable"


@dataclass(frozen=True)
class Change:
    """A connected region that changed since the prior, or a finding that did not.

    Attributes:
        rank: 1 for the change with the highest peak; those that are stable come last.
        kind: what became of it.
        volume_ml: volume in the case, in ml; 0 where it is gone.
        prior_volume_ml: volume in the prior, in ml; 0 where it is new.
        peak_score: z at the peak: above 0 where the case is brighter than the prior was.
        centroid_ras_mm: centre, RAS, mm.
        peak_ras_mm: position of the peak, RAS, mm.
        peak_voxel: the same as index (i, j, k) of the case's array.
        bounding_box: first and last voxel index (i, j, k), both inclusive, on the case's grid.
    """

    rank: int
    kind: ChangeKind
    volume_ml: float
    prior_volume_ml: float
    peak_score: float
    centroid_ras_mm: tuple[float, float, float]
    peak_ras_mm: tuple[float, float, float]
    peak_voxel: tuple[int, int, int]
    bounding_box: tuple[tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True)
class PriorUse:
    """The prior, and how it fitted.

    Attributes:
        name: of the prior.
        content_hash: of the prior as read, as `Volume.content_hash`.
        likeness: correlation of detail with the case after registration; 1 for the same scan.
        to_prior: 4x4 matrix from points of the case to points of the prior, RAS mm.
    """

    name: str
    content_hash: str
    likeness: float
    to_prior: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, eq=False)
class ChangeResult:
    """The comparison of a study with a prior, on the grid of the study.

    Attributes:
        heatmap: (I, J, K) float32, signed z: above 0 where the case is brighter than the prior; 0
            where the two were not compared.
        ranks: (I, J, K) uint16, rank of the change that a voxel belongs to, 0 outside all.
        prior: (I, J, K) float32, the prior laid on the case, in the intensities of the case.
        affine: 4x4 matrix from voxel index to RAS mm.
        threshold: z above which a voxel is the seed of a change.
        changes: by falling peak.
        use: the prior, and how it fitted.
        warnings: reasons to doubt it.
    """

    heatmap: NDArray[np.float32]
    ranks: NDArray[np.uint16]
    prior: NDArray[np.float32]
    affine: NDArray[np.float64]
    threshold: float
    changes: tuple[Change, ...]
    use: PriorUse
    warnings: tuple[AnalysisWarning, ...] = ()
