"""Which finding each voxel of a mask belongs to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from d24fad_core.regions import label_regions

if TYPE_CHECKING:
    from d24fad_core.detection.result import Finding  # a result makes its own map


def label_findings(mask: NDArray[np.uint8], findings: "Sequence[Finding]") -> NDArray[np.uint16]:
    """Give each voxel of the mask the rank of its finding.

    Args:
        mask: binary, shape (I, J, K), as `findings.find_findings` returned it.
        findings: the findings of that mask.

    Returns:
        Rank of the finding that a voxel belongs to, 0 outside all, shape (I, J, K).
    """
    # Memory that is zero to begin with: of a large scan only what findings touch is really taken.
    order: Literal["C", "F"] = "F" if mask.flags.fnc else "C"
    ranks = np.zeros(mask.shape, np.uint16, order)
    for finding in findings:
        first, last = finding.bounding_box
        box = tuple(slice(low, high + 1) for low, high in zip(first, last, strict=True))
        labels = label_regions(mask[box] > 0)
        peak = tuple(at - low for at, low in zip(finding.peak_voxel, first, strict=True))
        ranks[box][labels == labels[peak]] = finding.rank
    return ranks
