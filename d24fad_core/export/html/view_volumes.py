"""The voxels of a page as bytes: the case, its scores, its findings, matched normals, a body."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.export.html.shown_map import ShownMap
from d24fad_core.export.html.view_grid import ViewGrid
from d24fad_core.export.pictures.colour_scale import ColourScale
from d24fad_core.export.pictures.grey_scale import grey_range
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.volumes.reduction import choose_factors
from d24fad_core.volumes.volume import Volume

_LARGEST_NORMAL = 1_600_000
_LARGEST_BODY = 150_000
_BODY_BLUR_MM = 5.0
_LEVELS = 255
_HIGHEST_LABEL = 255

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ViewVolumes:
    """All voxels of a page, uint8, in RAS order.

    Attributes:
        case: grey values, (X, Y, Z) of the grid.
        scores: in steps of `score_step`, the same shape; 0 for what no threshold of the page shows.
        ranks: rank of the finding or change, 0 outside all, the same shape.
        body: a soft outline of the patient without features, coarse.
        body_scores: the highest score of the findings or changes in each voxel of `body`; 0 outside
            all of them.
        score_step: z of one step.
        lowest_score: scores below it are stored as 0.
    """

    case: Bytes
    scores: Bytes
    ranks: Bytes
    body: Bytes
    body_scores: Bytes
    score_step: float
    lowest_score: float


def view_volumes(query: Volume, view: ShownMap, grid: ViewGrid) -> ViewVolumes:
    """Make the voxels of a page.

    Args:
        query: the study.
        view: the map over it.
        grid: what the page shows of it.
    """
    scale = ColourScale.above(view.threshold)
    step = scale.maximum / _LEVELS
    lowest = 0.5 * scale.threshold
    scores = grid.sampled(view.heatmap)
    levels = np.rint((scores / step).clip(0, _LEVELS)).astype(np.uint8)
    levels[scores < lowest] = 0
    ranks = grid.sampled(view.ranks)
    body, body_scores = _body(grid, scores, np.where(ranks > 0, levels, 0))
    return ViewVolumes(
        case=_grey(grid.averaged(query.array), *grey_range(query, view.ct_window)),
        scores=levels,
        ranks=ranks.clip(0, _HIGHEST_LABEL).astype(np.uint8),
        body=body,
        body_scores=body_scores,
        score_step=step,
        lowest_score=lowest,
    )


def normal_voxels(normal: MatchedNormal, grid: ViewGrid, ct_window: str) -> Bytes:
    """Grey values of a normal at the places of the case, in the grid's box but coarser.

    Args:
        normal: the study and how the case lies on it.
        grid: what the page shows of the case.
        ct_window: window that CT was analysed in.
    """
    factors = choose_factors(grid.shape, grid.spacing, 8 * _LARGEST_NORMAL)
    first, second, third = (-(-n // f) for n, f in zip(grid.shape, factors, strict=True))
    shape = (first, second, third)
    study = normal.study
    low, high = grey_range(study, ct_window)
    values = normal.sampled(shape, grid.coarser_affine(shape), float(study.array.min()))
    return _grey(values, low, high)


def _grey(values: NDArray[np.float32], low: float, high: float) -> Bytes:
    scaled = (values - np.float32(low)) * np.float32(_LEVELS / (high - low))
    levels: Bytes = np.rint(scaled.clip(0, _LEVELS)).astype(np.uint8)
    return levels


def _body(grid: ViewGrid, scores: NDArray[np.float32], levels: Bytes) -> tuple[Bytes, Bytes]:
    """A blurred outline of what was analysed, from which nobody can be recognised, and scores."""
    factors = choose_factors(grid.shape, grid.spacing, 8 * _LARGEST_BODY)
    lengths = [-(-n // f) * f for n, f in zip(grid.shape, factors, strict=True)]
    padding = [(0, length - n) for length, n in zip(lengths, grid.shape, strict=True)]
    split = [part for n, f in zip(lengths, factors, strict=True) for part in (n // f, f)]
    inside = np.pad(scores != 0, padding).reshape(split).mean(axis=(1, 3, 5), dtype=np.float32)
    highest = np.pad(levels, padding).reshape(split).max(axis=(1, 3, 5))
    sigma = _BODY_BLUR_MM / (np.array(grid.spacing) * factors)
    soft = ndimage.gaussian_filter(inside, sigma, mode="constant")
    return np.rint(soft * _LEVELS).astype(np.uint8), highest
