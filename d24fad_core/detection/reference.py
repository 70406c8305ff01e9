"""Preparing one plane of a support set: units, threshold and the normals' own scores."""

from collections.abc import Sequence

import torch
from torch import Tensor

from d24fad_core.data.volume import Plane
from d24fad_core.detection.calibration import NORMAL_VOXEL_SHARE
from d24fad_core.detection.fusion import blur, case_score, fuse
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.support.features import StudyFeatures
from d24fad_core.support.normal_statistics import (
    NormalComparisons,
    NormalStatistics,
    compare_normals,
    summarise_normals,
)
from d24fad_core.support.scoring import ScoringConfig
from d24fad_core.support.support_set import PlaneReference


def prepare_plane(
    model: D24FAD,
    plane: Plane,
    features: Sequence[StudyFeatures],
    scoring: ScoringConfig,
    image_size: int,
) -> PlaneReference:
    """Learn from the normals what one unit of the anomaly map is.

    Each normal is scored against the others, in units that come from the others alone. With two
    normals there are no others to take units from, so both share them.

    Args:
        model: the network.
        plane: the plane that the features belong to.
        features: at least two studies.
        scoring: how to score.
        image_size: pixels a side.
    """
    comparisons = compare_normals(features, scoring)
    members = list(range(len(features)))
    statistics = summarise_normals(model, comparisons, members, scoring)
    fused = []
    for study in members:
        others = [other for other in members if other != study]
        units = (
            summarise_normals(model, comparisons, others, scoring)
            if len(others) > 1
            else statistics
        )
        fused.append(
            _held_out_map(model, comparisons, study, others, units, features, scoring, image_size)
        )
    inside = torch.cat(
        [maps[foreground] for maps, foreground in zip(fused, comparisons.foreground, strict=True)]
    )
    unit = float(inside.std().clamp_min(1e-6))
    count = max(1, round(NORMAL_VOXEL_SHARE * inside.numel()))
    threshold = float(inside.topk(count).values[-1]) / unit
    scores = tuple(
        case_score(maps / unit, foreground, scoring)
        for maps, foreground in zip(fused, comparisons.foreground, strict=True)
    )
    return PlaneReference(plane, tuple(features), statistics, unit, threshold, scores)


def _held_out_map(
    model: D24FAD,
    comparisons: NormalComparisons,
    study: int,
    others: list[int],
    units: NormalStatistics,
    features: Sequence[StudyFeatures],
    scoring: ScoringConfig,
    image_size: int,
) -> Tensor:
    found = comparisons.leave_one_out(model, study, others)
    count = len(comparisons.foreground[study])
    standardised = units.standardise(found, torch.linspace(0, 1, count))
    fused = fuse(standardised, scoring, model.teacher.info, image_size)
    # Places are further apart than slices, by this factor.
    spacing = features[study].thickness * max(len(features[study]) / count, 1.0)
    return blur(fused, scoring, spacing)
