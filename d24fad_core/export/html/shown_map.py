"""The map that a page shows over a study: scores against normals, or the change since a prior."""

from dataclasses import dataclass

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from d24fad_core.change.result import ChangeResult
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.volumes.reduction import Reduction
from d24fad_core.volumes.volume import Plane


@dataclass(frozen=True, eq=False)
class ShownMap:
    """A map on the grid of a study, in the units of its threshold.

    Attributes:
        heatmap: (I, J, K) float32, z; 0 where nothing was compared.
        ranks: (I, J, K) uint16, rank of the region that a voxel belongs to, 0 outside all.
        threshold: z above which heat is shown at first.
        slice_axis: axis of the array that slices are numbered along.
        slice_scores: one score a slice.
        reduction: how the scan was reduced while it was read.
        ct_window: window that CT is shown in.
    """

    heatmap: NDArray[np.float32]
    ranks: NDArray[np.uint16]
    threshold: float
    slice_axis: int
    slice_scores: tuple[float, ...]
    reduction: Reduction | None = None
    ct_window: str = "body"

    @classmethod
    def of_result(cls, result: AnomalyResult) -> "ShownMap":
        """Scores and findings of an analysis."""
        return cls(
            result.heatmap,
            result.ranks,
            result.calibration.threshold,
            result.slice_axis,
            tuple(result.slice_scores),
            result.reduction,
            str(result.provenance.parameters.get("ct_window", "body")),
        )

    @classmethod
    def of_change(cls, change: ChangeResult) -> "ShownMap":
        """How much a study differs from its prior, brighter or darker, by axial slices."""
        strength = np.abs(change.heatmap)
        axes = io_orientation(change.affine)[:, 0]
        axis = int(np.flatnonzero(axes == Plane.AXIAL.axis)[0])
        others = tuple(other for other in range(3) if other != axis)
        scores = tuple(float(score) for score in strength.max(axis=others))
        return cls(strength, change.ranks, change.threshold, axis, scores)
