"""A result in the voxels of its source, whether the source was reduced or not."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from d24fad_core.detection.findings import as_voxel, to_world
from d24fad_core.detection.result import AnomalyResult, Finding
from d24fad_core.volumes.reduction import Reduction


@dataclass(frozen=True, eq=False)
class SourceResult:
    """What of a result depends on the grid, on that of its source.

    Attributes:
        shape: voxels along each array axis.
        affine: 4x4 matrix from voxel index to RAS mm.
        slice_scores: one score a slice along `AnomalyResult.slice_axis`.
        findings: by falling peak score.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    slice_scores: tuple[float, ...]
    findings: tuple[Finding, ...]


def on_source_grid(result: AnomalyResult) -> SourceResult:
    """A result in the voxels of its source.

    Every voxel of a reduced source has the score of its block, so measures are exactly those of
    the heatmap and the mask that `export` writes.
    """
    reduction = result.reduction
    if reduction is None:
        return SourceResult(
            result.heatmap.shape, result.affine, result.slice_scores, result.findings
        )
    axis = result.slice_axis
    ranks = result.ranks
    return SourceResult(
        shape=reduction.shape,
        affine=reduction.affine,
        slice_scores=tuple(np.repeat(result.slice_scores, reduction.block_lengths(axis)).tolist()),
        findings=tuple(
            _on_source_grid(finding, result.heatmap, ranks, axis, reduction)
            for finding in result.findings
        ),
    )


def _on_source_grid(
    finding: Finding,
    heatmap: NDArray[np.float32],
    ranks: NDArray[np.uint16],
    slice_axis: int,
    reduction: Reduction,
) -> Finding:
    low, high = finding.bounding_box
    box = tuple(slice(first, last + 1) for first, last in zip(low, high, strict=True))
    blocks = np.argwhere(ranks[box] == finding.rank) + low
    firsts, lasts = (
        np.stack([ends(axis)[blocks[:, axis]] for axis in range(3)], axis=1)
        for ends in (reduction.first_voxels, reduction.last_voxels)
    )
    voxels = np.prod(lasts - firsts + 1, axis=1)
    scores = heatmap[tuple(blocks.T)].astype(np.float64)
    centroid = np.average((firsts + lasts) / 2.0, axis=0, weights=voxels * scores)
    peak = np.array(
        [reduction.middle_voxel(axis, block) for axis, block in enumerate(finding.peak_voxel)]
    )
    first, last = firsts.min(axis=0), lasts.max(axis=0)
    voxel_ml = abs(float(np.linalg.det(reduction.affine[:3, :3]))) / 1000.0
    return replace(
        finding,
        volume_ml=float(voxels.sum() * voxel_ml),
        mean_score=float(np.average(scores, weights=voxels)),
        centroid_ras_mm=to_world(reduction.affine, centroid),
        peak_ras_mm=to_world(reduction.affine, peak.astype(np.float64)),
        peak_voxel=as_voxel(peak),
        slice_range=(int(first[slice_axis]), int(last[slice_axis])),
        bounding_box=(as_voxel(first), as_voxel(last)),
    )
