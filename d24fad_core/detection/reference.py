"""Preparing one plane of a support set: units, threshold and the normals' own scores."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.comparison.fusion import blur, case_score, centred, fuse
from d24fad_core.comparison.normal_statistics import (
    NormalStatistics,
    compare_normals,
    compared_places,
    statistics_of,
    summarise_normals,
)
from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.comparison.translation import translated_distances
from d24fad_core.detection.calibration import NORMAL_VOXEL_SHARE
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.support.support_set import PlaneReference
from d24fad_core.volumes.slices import SliceGrid
from d24fad_core.volumes.volume import Plane

REFERENCE_SCHEMA = 2
"""Raised whenever comparing the same normals gives another reference: kept ones are then void."""


def prepare_plane(
    model: D24FAD, grid: SliceGrid, features: Sequence[StudyFeatures], scoring: ScoringConfig
) -> PlaneReference:
    """Learn from the normals what one unit of the anomaly map is.

    Each normal is scored against the others, in units that come from the others alone. With two
    normals there are no others to take units from, so both share them.

    Args:
        model: the network.
        grid: the frame's slices in one plane.
        features: at least two studies.
        scoring: how to score.
    """
    comparisons = compare_normals(features, scoring)
    members = list(range(len(features)))
    statistics = summarise_normals(model, comparisons, members, scoring)
    # Compared slices lie further apart than the frame's, by this factor.
    thickness = grid.thickness * len(features[0]) / len(comparisons.places)
    held_out: list[Tensor] = []
    for study in members:
        others = [other for other in members if other != study]
        units = (
            summarise_normals(model, comparisons, others, scoring)
            if len(others) > 1
            else statistics
        )
        by_map = comparisons.leave_one_out(model, study, others)
        standardised = units.standardise(by_map, comparisons.places)
        fused = fuse(standardised, scoring, model.teacher.info, grid.image_size)
        held_out.append(blur(fused, scoring, thickness))

    return _reference(grid, features, statistics, held_out, comparisons.foreground)


def prepare_translated_plane(
    model: D24FAD, grid: SliceGrid, features: Sequence[StudyFeatures], scoring: ScoringConfig
) -> PlaneReference:
    """The same where normals are translated into the look of each case.

    Each normal is scored against the others, translated to it. All share their units.

    Args:
        model: the network.
        grid: the frame's slices in one plane.
        features: at least two studies.
        scoring: see `translated_scoring`.
    """
    places = compared_places(len(features[0]))
    runs, foregrounds = [], []
    for number, study in enumerate(features):
        others = [other for index, other in enumerate(features) if index != number]
        normal = StudyFeatures(study.slices[places], study.foreground[places], study.similarity)
        with torch.inference_mode():
            runs.append(translated_distances(normal, places, others, scoring))
        foregrounds.append(normal.foreground)
    statistics = statistics_of(model, runs, places, len(features[0]), scoring)
    thickness = grid.thickness * len(features[0]) / len(places)
    held_out = []
    for run, foreground in zip(runs, foregrounds, strict=True):
        standardised = statistics.standardise(run, places)
        fused = fuse(standardised, scoring, model.teacher.info, grid.image_size)
        held_out.append(centred(blur(fused, scoring, thickness), foreground))
    return _reference(grid, features, statistics, held_out, foregrounds)


def _reference(
    grid: SliceGrid,
    features: Sequence[StudyFeatures],
    statistics: NormalStatistics,
    held_out: Sequence[Tensor],
    foregrounds: Sequence[Tensor],
) -> PlaneReference:
    """Units from each normal's fused map against the others."""
    pairs = list(zip(held_out, foregrounds, strict=True))
    inside = torch.cat([maps[foreground] for maps, foreground in pairs])
    centre, spread = float(inside.mean()), float(inside.std().clamp_min(1e-6))
    return PlaneReference(
        plane=grid.plane,
        features=tuple(features),
        statistics=statistics,
        centre=centre,
        spread=spread,
        # The same bits whether they come from the cache or not.
        held_out=tuple(
            ((maps - centre) / spread * foreground).half().contiguous()
            for maps, foreground in pairs
        ),
    )


def held_out_maps(
    references: Sequence[PlaneReference],
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    image_size: int,
) -> Iterator[NDArray[np.float32]]:
    """Each normal's leave-one-out map in the frame: the mean of some planes, 0 outside.

    Args:
        references: one a plane, of the same studies.
        shape: voxels of the frame.
        spacing: their size in mm.
        image_size: pixels a side of the maps.
    """
    for study in range(len(references[0].held_out)):
        maps = []
        for reference in references:
            grid = SliceGrid(reference.plane, shape, spacing, image_size)
            compared = reference.held_out[study].float()
            # Each slice of the frame has the map of the nearest one that was compared.
            nearest = torch.linspace(0, len(compared) - 1, shape[reference.plane.axis])
            maps.append(grid.to_volume(compared[nearest.round().long()]))
        mean: NDArray[np.float32] = np.mean(maps, axis=0, dtype=np.float32)
        yield mean


def score_scale(
    maps: Iterable[NDArray[np.float32]], planes: Iterable[Plane], scoring: ScoringConfig
) -> ScoreScale:
    """Units, threshold and scores from the normals' own maps.

    Args:
        maps: (X, Y, Z) leave-one-out map of each normal, 0 outside.
        planes: that they are the mean of.
        scoring: how cases are scored.
    """
    normals = [torch.from_numpy(values[values != 0]) for values in maps]
    inside = torch.cat(normals)
    centre, spread = float(inside.mean()), float(inside.std().clamp_min(1e-6))
    highest = inside.topk(max(1, round(NORMAL_VOXEL_SHARE * inside.numel()))).values
    return ScoreScale(
        planes=frozenset(planes),
        centre=centre,
        spread=spread,
        threshold=(float(highest[-1]) - centre) / spread,
        case_scores=tuple(case_score((values - centre) / spread, scoring) for values in normals),
        peak_scores=tuple((float(values.max()) - centre) / spread for values in normals),
    )
