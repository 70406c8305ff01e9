"""Scoring a query's slices of one plane against the normals."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.comparison.features import CHUNK, SliceFeatures, encode_images, encode_study
from d24fad_core.comparison.fusion import blur, centred, fuse
from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.comparison.similarity import Similarities, distances, similarities, study_shares
from d24fad_core.comparison.translation import translated_distances
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress
from d24fad_core.support.support_set import PlaneReference
from d24fad_core.volumes.slices import SliceStack


@dataclass(frozen=True, eq=False)
class PlaneScores:
    """Scores of one plane in z units.

    Attributes:
        heatmap: float32 on the frame's grid, 0 outside the foreground.
        shares: share of each support study, see `study_shares`.
        distances: (K, X, Y, Z) from each support study on the frame's grid; None where unknown.
    """

    heatmap: NDArray[np.float32]
    shares: tuple[float, ...]
    distances: NDArray[np.float16] | None = None


def score_plane(
    model: D24FAD,
    stack: SliceStack,
    reference: PlaneReference,
    scoring: ScoringConfig,
    progress: Progress,
) -> PlaneScores:
    """Compare every slice that shows the patient with its place in the normals.

    Args:
        model: the network.
        stack: the query's slices in the frame.
        reference: what the normals look like.
        scoring: how to score.
        progress: told after each chunk of slices.
    """
    places = torch.nonzero(stack.foreground.any(dim=(1, 2)))[:, 0]
    fused = torch.zeros(stack.images.shape)
    shares = torch.zeros(len(reference.features))
    apart = torch.zeros((len(reference.features), *stack.images.shape), dtype=torch.float16)
    done = 0
    for encoded in encode_images(model, stack.images[places][:, None], scoring.keys):
        progress("comparing with the normals", done / len(places))
        here = places[done : done + CHUNK]
        fused[here], part, apart[:, here] = _compare(
            model, encoded, here, reference, scoring, stack
        )
        shares += part * len(here) / len(places)
        done += len(here)
    smooth = blur(fused, scoring, stack.grid.thickness)
    return _finished(smooth, tuple(shares.tolist()), stack, reference, apart)


def score_translated_plane(
    model: D24FAD,
    stack: SliceStack,
    reference: PlaneReference,
    scoring: ScoringConfig,
    progress: Progress,
) -> PlaneScores:
    """The same with normals that are translated into the look of the query, which needs all of it.

    Every normal has the same share.

    Args:
        model: the network.
        stack: the query's slices in the frame.
        reference: from `prepare_translated_plane`.
        scoring: see `translated_scoring`.
        progress: told of both steps.
    """
    places = torch.nonzero(stack.foreground.any(dim=(1, 2)))[:, 0]
    progress("looking at the study", 0.0)
    slices = SliceStack(stack.images[places], stack.foreground[places], stack.grid)
    query = encode_study(model, slices, 1.0, scoring.keys)
    progress("translating the normals", 0.2)
    fused = torch.zeros(stack.images.shape)
    with torch.inference_mode():
        by_map = translated_distances(query, places, reference.features, scoring)
        standardised = reference.statistics.standardise(by_map, places)
        fused[places] = fuse(standardised, scoring, model.teacher.info, stack.grid.image_size)
    shares = (1.0 / len(reference.features),) * len(reference.features)
    smooth = centred(blur(fused, scoring, stack.grid.thickness), stack.foreground)
    return _finished(smooth, shares, stack, reference)


def _finished(
    smooth: Tensor,
    shares: tuple[float, ...],
    stack: SliceStack,
    reference: PlaneReference,
    apart: Tensor | None = None,
) -> PlaneScores:
    scores = (smooth - reference.centre) / reference.spread * stack.foreground
    return PlaneScores(
        heatmap=stack.grid.to_volume(scores),
        shares=shares,
        distances=None
        if apart is None or not apart.any()
        else np.stack([stack.grid.to_volume(each).astype(np.float16) for each in apart]),
    )


def _compare(
    model: D24FAD,
    encoded: SliceFeatures,
    places: Tensor,
    reference: PlaneReference,
    scoring: ScoringConfig,
    stack: SliceStack,
) -> tuple[Tensor, Tensor, Tensor]:
    """Fused map, shares, and distance from each normal (K, B, N, N) of a chunk of slices."""
    with torch.inference_mode():
        by_map = similarities(encoded, places, reference.features, scoring)
        standardised = reference.statistics.standardise(distances(model, by_map), places)
        fused = fuse(standardised, scoring, model.teacher.info, stack.grid.image_size)
        return (
            fused,
            study_shares(model, by_map, len(reference.features)),
            _apart(model, by_map, scoring, stack.grid.image_size, len(reference.features)).half(),
        )


def _apart(
    model: D24FAD, by_map: Similarities, scoring: ScoringConfig, image_size: int, studies: int
) -> Tensor:
    """Distance from each normal, all maps that compare with normals weighed as in the fusion."""
    maps = {
        key: 1.0 - values for key, values in by_map.items() if key[0] is not MapKind.TEACHER_STUDENT
    }
    if not maps:
        return torch.zeros((studies, 1, 1, 1))
    total = sum(scoring.weight(key) for key in maps)
    return torch.stack(
        [
            torch.as_tensor(
                fuse(
                    {key: values[:, study] for key, values in maps.items()},
                    scoring,
                    model.teacher.info,
                    image_size,
                )
                / total
            )
            for study in range(studies)
        ]
    )
