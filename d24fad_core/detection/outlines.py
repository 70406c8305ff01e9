"""The outline of a finding: where its score has fallen far enough from its peak."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.regions import label_regions, occupied_box

FALL = 0.5
"""So far below the threshold an outline lies, as a share of what the peak lies above it."""


def outline_regions(
    heatmap: NDArray[np.float32],
    regions: NDArray[np.bool_],
    threshold: float,
    lowest: float,
) -> NDArray[np.bool_]:
    """Let regions above a threshold reach to where the score has fallen.

    A threshold that leaves normal people dark marks the core of a lesion. The higher a peak, the
    surer that what surrounds it belongs to it, so the outline lies below the threshold by a share
    of what the peak lies above it (hysteresis, with a second threshold for each region).

    Args:
        heatmap: score of each voxel, shape (I, J, K), z units.
        regions: connected regions of voxels above the threshold.
        threshold: 0 or more.
        lowest: score that an outline never falls below; above the threshold nothing changes.

    Returns:
        The regions and what they reach, shape (I, J, K); neighbours may have merged.
    """
    outlined = regions.copy()
    lowest = max(lowest, 0.0)
    occupied = occupied_box(heatmap > lowest)
    if lowest >= threshold or occupied is None or not regions.any():
        return outlined
    heatmap, regions = heatmap[occupied], regions[occupied]
    surroundings = label_regions(heatmap > lowest)
    boxes = ndimage.find_objects(surroundings)
    labels = label_regions(regions)
    positions = ndimage.maximum_position(heatmap, labels, np.arange(1, labels.max() + 1))
    peaks = sorted(
        (tuple(int(at) for at in position) for position in positions),
        key=lambda peak: -heatmap[peak],
    )
    covered = np.zeros_like(regions)
    for peak in peaks:
        # What a higher peak reaches reaches at least as far from here.
        if covered[peak]:
            continue
        level = max(threshold - FALL * (float(heatmap[peak]) - threshold), lowest)
        box = boxes[surroundings[peak] - 1]
        reached = label_regions(heatmap[box] > level)
        within = tuple(at - part.start for at, part in zip(peak, box, strict=True))
        covered[box] |= reached == reached[within]
    outlined[occupied] |= covered
    return outlined
