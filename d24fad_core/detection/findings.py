"""From a heatmap to a list of findings: connected regions above a threshold, measured in mm."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.detection.outlines import outline_regions
from d24fad_core.detection.result import Finding
from d24fad_core.errors import ConfigurationError
from d24fad_core.regions import label_regions, occupied_box


def find_findings(
    heatmap: NDArray[np.float32],
    mask_threshold: float,
    affine: NDArray[np.float64],
    slice_axis: int,
    minimum_volume_ml: float,
    lowest_outline: float | None = None,
) -> tuple[NDArray[np.uint8], tuple[Finding, ...]]:
    """Find the connected regions of a heatmap above a threshold, and outline them.

    Args:
        heatmap: score of each voxel, shape (I, J, K), z units.
        mask_threshold: voxels with a score above it are candidates; 0 or more.
        affine: 4x4 matrix from voxel index to world position, RAS, mm.
        slice_axis: array axis (0, 1 or 2) along which `Finding.slice_range` counts.
        minimum_volume_ml: smaller regions are dropped.
        lowest_outline: score that outlines may fall to, see `outlines.outline_regions`; None
            outlines at the threshold.

    Returns:
        The mask (uint8, shape of the heatmap), 1 in exactly the findings, and the findings by
        falling peak score; where peaks are equal the larger comes first.

    Raises:
        ConfigurationError: the threshold or the minimum volume is negative or not a number.
    """
    if not mask_threshold >= 0:
        raise ConfigurationError(
            f"A threshold of {mask_threshold} z cannot mark findings",
            "give 0 or more.",
        )
    if not minimum_volume_ml >= 0:
        raise ConfigurationError(
            f"A minimum volume of {minimum_volume_ml} ml has no meaning",
            "give 0 or more.",
        )
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000.0
    # The tolerance keeps in a region of exactly the minimum, whatever the affine's rounding.
    least_voxels = minimum_volume_ml * (1 - 1e-6) / voxel_ml
    inside = _large_regions(heatmap > mask_threshold, least_voxels)
    if lowest_outline is not None:
        inside = outline_regions(heatmap, inside, mask_threshold, lowest_outline)
    mask = inside.astype(np.uint8)
    box = occupied_box(inside)
    if box is None:
        return mask, ()
    # Everything below works on views of the occupied box, then of one region after another.
    offset = np.array([part.start for part in box])
    labels = label_regions(inside[box])
    findings = []
    for label, region in enumerate(ndimage.find_objects(labels), start=1):
        of_region = labels[region] == label
        voxels = np.argwhere(of_region) + (offset + [part.start for part in region])
        scores = heatmap[box][region][of_region].astype(np.float64)
        findings.append(_measure(voxels, scores, affine, slice_axis, voxel_ml))

    findings.sort(key=lambda finding: (-finding.peak_score, -finding.volume_ml, finding.peak_voxel))
    return mask, tuple(
        replace(finding, rank=rank) for rank, finding in enumerate(findings, start=1)
    )


def finding_voxels(finding: Finding, ranks: NDArray[np.uint16], most: int) -> NDArray[np.int64]:
    """Voxel indices (N, 3) of a finding, evenly thinned where there are many more than `most`.

    Args:
        finding: one of those that were labelled.
        ranks: from `rank_map.label_findings`.
        most: about so many voxels are enough.
    """
    first, last = finding.bounding_box
    box = tuple(slice(low, high + 1) for low, high in zip(first, last, strict=True))
    voxels: NDArray[np.int64] = np.argwhere(ranks[box] == finding.rank) + first
    return voxels[:: max(1, len(voxels) // most)]


def _large_regions(candidates: NDArray[np.bool_], least_voxels: float) -> NDArray[np.bool_]:
    """The regions that have so many voxels."""
    box = occupied_box(candidates)
    if box is None:
        return candidates
    large = np.zeros_like(candidates)
    labels = label_regions(candidates[box])
    enough = np.bincount(labels.ravel()) >= least_voxels
    enough[0] = False
    large[box] = enough[labels]
    return large


def _measure(
    voxels: NDArray[np.int64],
    scores: NDArray[np.float64],
    affine: NDArray[np.float64],
    slice_axis: int,
    voxel_ml: float,
) -> Finding:
    """Measure one region given as voxel indices (N, 3) with their scores (N,), all positive."""
    # An affine map carries weighted means over, so the centroid may be averaged in voxels.
    centroid = np.average(voxels, axis=0, weights=scores)
    peak = voxels[int(scores.argmax())]
    first, last = voxels.min(axis=0), voxels.max(axis=0)
    return Finding(
        rank=0,
        volume_ml=len(voxels) * voxel_ml,
        peak_score=float(scores.max()),
        mean_score=float(scores.mean()),
        centroid_ras_mm=to_world(affine, centroid),
        peak_ras_mm=to_world(affine, peak.astype(np.float64)),
        peak_voxel=as_voxel(peak),
        slice_range=(int(first[slice_axis]), int(last[slice_axis])),
        bounding_box=(as_voxel(first), as_voxel(last)),
    )


def to_world(affine: NDArray[np.float64], voxel: NDArray[np.float64]) -> tuple[float, float, float]:
    """World position, RAS, mm, of a voxel index (3,)."""
    right, anterior, superior = affine[:3, :3] @ voxel + affine[:3, 3]
    return float(right), float(anterior), float(superior)


def as_voxel(index: NDArray[np.int64]) -> tuple[int, int, int]:
    """A voxel index (3,) as plain numbers."""
    first, second, third = index
    return int(first), int(second), int(third)
