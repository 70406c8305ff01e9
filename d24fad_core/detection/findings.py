"""From a heatmap to a list of findings: connected regions above a threshold, measured in mm."""

from collections.abc import Sequence
from dataclasses import replace

import cc3d
import numpy as np
from numpy.typing import NDArray

from d24fad_core.detection.result import Finding
from d24fad_core.errors import ConfigurationError
from d24fad_core.regions import label_regions


def find_findings(
    heatmap: NDArray[np.float32],
    mask_threshold: float,
    affine: NDArray[np.float64],
    slice_axis: int,
    minimum_volume_ml: float,
) -> tuple[NDArray[np.uint8], tuple[Finding, ...]]:
    """Find the connected regions of a heatmap above a threshold.

    Args:
        heatmap: score of each voxel, shape (I, J, K), z units.
        mask_threshold: voxels with a score above it are candidates; 0 or more.
        affine: 4x4 matrix from voxel index to world position, RAS, mm.
        slice_axis: array axis (0, 1 or 2) along which `Finding.slice_range` counts.
        minimum_volume_ml: smaller regions are dropped.

    Returns:
        The mask (uint8, shape of the heatmap), 1 in exactly the regions that were kept, and the
        findings by falling peak score; where peaks are equal the larger comes first.

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
    mask = np.zeros_like(heatmap, dtype=np.uint8)
    candidates = heatmap > mask_threshold
    occupied = _occupied_box(candidates)
    if occupied is None:
        return mask, ()

    # Everything below works on views of the occupied box, then of one region after another.
    labels = label_regions(candidates[occupied])
    statistics = cc3d.statistics(labels, no_slice_conversion=True)
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000.0
    # The tolerance keeps in a region of exactly the minimum, whatever the affine's rounding.
    large_enough = statistics["voxel_counts"] * voxel_ml >= minimum_volume_ml * (1 - 1e-6)
    large_enough[0] = False

    offset = np.array([part.start for part in occupied])
    findings = []
    for label in np.flatnonzero(large_enough):
        bounds = statistics["bounding_boxes"][label].astype(int)
        first, last = bounds[0::2], bounds[1::2]
        region = tuple(slice(low, high + 1) for low, high in zip(first, last, strict=True))
        inside = labels[region] == label
        mask[occupied][region][inside] = 1
        voxels = np.argwhere(inside) + (offset + first)
        scores = heatmap[occupied][region][inside].astype(np.float64)
        findings.append(_measure(voxels, scores, affine, slice_axis, voxel_ml))

    findings.sort(key=lambda finding: (-finding.peak_score, -finding.volume_ml, finding.peak_voxel))
    return mask, tuple(
        replace(finding, rank=rank) for rank, finding in enumerate(findings, start=1)
    )


def label_findings(mask: NDArray[np.uint8], findings: Sequence[Finding]) -> NDArray[np.uint16]:
    """Give each voxel of the mask the rank of its finding.

    Args:
        mask: binary, shape (I, J, K), as `find_findings` returned it.
        findings: the findings of that mask.

    Returns:
        Rank of the finding that a voxel belongs to, 0 outside all, shape (I, J, K).
    """
    ranks = np.zeros_like(mask, dtype=np.uint16)
    for finding in findings:
        first, last = finding.bounding_box
        box = tuple(slice(low, high + 1) for low, high in zip(first, last, strict=True))
        labels = label_regions(mask[box] > 0)
        peak = tuple(at - low for at, low in zip(finding.peak_voxel, first, strict=True))
        ranks[box][labels == labels[peak]] = finding.rank
    return ranks


def finding_voxels(finding: Finding, ranks: NDArray[np.uint16], most: int) -> NDArray[np.int64]:
    """Voxel indices (N, 3) of a finding, evenly thinned where there are many more than `most`.

    Args:
        finding: one of those that were labelled.
        ranks: from `label_findings`.
        most: about so many voxels are enough.
    """
    first, last = finding.bounding_box
    box = tuple(slice(low, high + 1) for low, high in zip(first, last, strict=True))
    voxels: NDArray[np.int64] = np.argwhere(ranks[box] == finding.rank) + first
    return voxels[:: max(1, len(voxels) // most)]


def _occupied_box(candidates: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds every true voxel; None where there is none."""
    parts = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        occupied = np.flatnonzero(candidates.any(axis=others))
        if occupied.size == 0:
            return None
        parts.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return parts[0], parts[1], parts[2]


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
