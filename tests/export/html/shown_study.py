"""A study with findings of known places and scores, to be looked at in a browser."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.volumes.volume import Modality, Volume
from tests.export.analysed_study import analysed

SHAPE = (48, 56, 40)
# The middle voxel of each finding, and its score.
PLACES = (((32, 20, 26), 8.4), ((14, 36, 12), 6.1), ((25, 42, 30), 4.4))
_HALF = (3, 3, 3)


def with_findings(
    query: Volume,
    places: tuple[tuple[tuple[int, int, int], float], ...],
    reach: tuple[int, int, int] = _HALF,
) -> tuple[Volume, AnomalyResult]:
    """A study with blocks of even score, the middle voxel of each a little higher.

    Args:
        query: the study.
        places: middle voxel of each block, and its score.
        reach: voxels of a block on either side of its middle.
    """
    _, result = analysed()
    heatmap = np.where(query.array > query.array.min(), 0.3, 0).astype(np.float32)
    for voxel, score in places:
        box = tuple(slice(at - half, at + half + 1) for at, half in zip(voxel, reach, strict=True))
        heatmap[box] = score
        heatmap[voxel] += 0.01
    mask, findings = find_findings(heatmap, 3.0, query.affine, result.slice_axis, 0.0)
    return query, replace(
        result,
        heatmap=heatmap,
        mask=mask,
        findings=findings,
        affine=query.affine,
        slice_scores=tuple(np.moveaxis(heatmap, result.slice_axis, 0).max(axis=(1, 2)).tolist()),
        provenance=replace(result.provenance, query_name=query.name),
    )


def head(
    affine: NDArray[np.float64] | None = None, modality: Modality = Modality.MR, name: str = "head"
) -> tuple[Volume, AnomalyResult]:
    """An egg of even grey with three findings, and its analysis."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    from_middle = (grid - (np.array(SHAPE) - 1) / 2) / (np.array(SHAPE) / 2 - 2)
    inside = (from_middle**2).sum(axis=-1) < 1 - 0.2 * from_middle[..., 1]
    brightest = 200.0 if modality is Modality.MR else 60.0
    outside = 0.0 if modality is Modality.MR else -1000.0
    image = np.where(inside, brightest * 0.5, outside).astype(np.float32)
    image[2:6, 26:30, 18:22] = brightest  # so that the range of greys is not that of one value
    affine = np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine
    return with_findings(Volume(image, affine, modality, name), PLACES)
