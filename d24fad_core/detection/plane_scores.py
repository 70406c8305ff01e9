"""Scoring a query's slices of one plane against the normals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from d24fad_core.data.slices import SliceStack
from d24fad_core.detection.fusion import blur, case_score, fuse, slice_scores
from d24fad_core.networks.d24fad import D24FAD, EncodedImages
from d24fad_core.progress import Progress
from d24fad_core.support.comparison import distances, similarities, study_shares
from d24fad_core.support.features import StudyFeatures, encode_images
from d24fad_core.support.matching import matched_slices
from d24fad_core.support.scoring import ScoringConfig
from d24fad_core.support.support_set import PlaneReference


@dataclass(frozen=True, eq=False)
class PlaneScores:
    """Scores of one plane, in z units.

    Attributes:
        heatmap: float32 on the source grid, 0 outside the foreground.
        slice_axis: axis of the source array along which the slices are stacked.
        slice_scores: one entry a source slice; 0 where there is no foreground.
        case_score: one score for the study.
        shares: learn-to-weight's share of each support study.
    """

    heatmap: NDArray[np.float32]
    slice_axis: int
    slice_scores: tuple[float, ...]
    case_score: float
    shares: tuple[float, ...]


def score_plane(
    model: D24FAD,
    stack: SliceStack,
    features: Sequence[StudyFeatures],
    reference: PlaneReference,
    scoring: ScoringConfig,
    progress: Progress,
) -> PlaneScores:
    """Compare every slice with its place in the normals.

    Args:
        model: the network.
        stack: the query's slices.
        features: the support studies, in the reference's order.
        reference: units that the normals give.
        scoring: how to score.
        progress: told after each chunk of slices.
    """
    count = len(stack)
    matches = [
        matched_slices(count, len(study), study.thickness, scoring.neighbours) for study in features
    ]
    fused, shares = [], torch.zeros(len(features))
    start = 0
    for encoded in encode_images(model, stack.images[:, None]):
        progress("comparing with the normals", start / count)
        rows = slice(start, start + len(encoded.teacher[0]))
        with torch.inference_mode():
            # In the precision that the support is kept in, so that a support study shown as query
            # finds itself at distance 0.
            found = similarities(
                _rounded(encoded), features, [match[rows] for match in matches], scoring
            )
            maps = reference.statistics.standardise(distances(model, found), stack.positions[rows])
            fused.append(fuse(maps, scoring, model.teacher.info, stack.images.shape[-1]))
            weight = len(encoded.teacher[0]) / count
            shares += weight * study_shares(model, found)
        start = rows.stop
    thickness = stack.grid.spacing[stack.grid.plane.axis]
    maps_in_units = blur(torch.cat(fused), scoring, thickness) / reference.unit
    maps_in_units = maps_in_units * stack.foreground
    by_slice = [0.0] * stack.grid.source_shape[stack.grid.source_axis]
    for index, score in enumerate(slice_scores(maps_in_units, stack.foreground, scoring)):
        by_slice[stack.grid.source_slice(index)] = score
    return PlaneScores(
        heatmap=stack.grid.to_source(maps_in_units),
        slice_axis=stack.grid.source_axis,
        slice_scores=tuple(by_slice),
        case_score=case_score(maps_in_units, stack.foreground, scoring),
        shares=tuple(shares.tolist()),
    )


def _rounded(encoded: EncodedImages) -> EncodedImages:
    return EncodedImages(
        tuple(scale.cpu().half().float() for scale in encoded.teacher),
        tuple(scale.cpu().half().float() for scale in encoded.student),
    )
