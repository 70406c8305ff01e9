"""Scores of single images against a few normal ones: the same comparison as for volumes, one slice
deep and without a frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from d24fad_core.comparison.features import (
    PreparedImages,
    StudyFeatures,
    UnitFeatures,
    encode_images,
)
from d24fad_core.comparison.fusion import blur, fuse, top_mean
from d24fad_core.comparison.normal_statistics import (
    NormalComparisons,
    NormalStatistics,
    compare_normals,
    summarise_normals,
)
from d24fad_core.comparison.scoring import ImageScoringConfig, MapKey, ScoringConfig
from d24fad_core.comparison.similarity import Similarities, distances, image_similarities
from d24fad_core.errors import SupportError
from d24fad_core.images.alignment import misalignment
from d24fad_core.images.image_folder import foreground
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.support.support_set import MINIMUM_STUDIES

_PLACE = torch.zeros(1, dtype=torch.long)
"""A single image is the first slice of its own frame."""


@dataclass(frozen=True, eq=False)
class _Part:
    """One of the scoring's two parts, and what the support says of it."""

    scoring: ScoringConfig
    weight: float
    comparisons: NormalComparisons
    statistics: NormalStatistics


class ImageScorer:
    """Scores images in units of the support's leave-one-out map.

    Args:
        model: the network, in eval mode.
        scoring: how to score.
        support: each support image, see `encode_each`.
        image_size: pixels a side.

    Raises:
        SupportError: fewer than two support images.
    """

    def __init__(
        self,
        model: D24FAD,
        scoring: ImageScoringConfig,
        support: Sequence[StudyFeatures],
        image_size: int,
    ) -> None:
        if len(support) < MINIMUM_STUDIES:
            raise SupportError(
                f"{len(support)} support image given",
                f"at least {MINIMUM_STUDIES} are needed.",
            )
        self._model, self._scoring, self._support = model, scoring, tuple(support)
        self._image_size = image_size
        weighted = [(scoring.base, 1.0)]
        if scoring.in_place is not None:
            weight = scoring.place_weight(misalignment([image.slices for image in support]))
            weighted += [(scoring.in_place, weight)] if weight > 0.0 else []
        self._parts = [self._prepare(part, weight) for part, weight in weighted]
        self._prepared = PreparedImages(self._support, self.keys)
        self._centre, self._spread = self._of_normals()

    @property
    def scorings(self) -> tuple[ScoringConfig, ...]:
        """The parts that count for this support."""
        return tuple(part.scoring for part in self._parts)

    @property
    def keys(self) -> tuple[MapKey, ...]:
        """The maps that count for this support; a query needs features for no others."""
        return tuple(dict.fromkeys(key for part in self.scorings for key in part.keys))

    def compare(self, query: StudyFeatures) -> tuple[Similarities, ...]:
        """Similarity of one image to each support image, for each of `scorings`."""
        unit = UnitFeatures(query.slices)
        with torch.inference_mode():
            return tuple(
                image_similarities(query.slices, unit, self._prepared, part.scoring)
                for part in self._parts
            )

    def fused_map(self, maps: Sequence[Similarities]) -> Tensor:
        """Fused map of one image, (N, N), before the blur, from what `compare` found."""
        with torch.inference_mode():
            return self._fuse([distances(self._model, each) for each in maps])

    def finished_map(self, fused: Tensor) -> Tensor:
        """Anomaly map, (N, N), in z units, from a fused map."""
        smooth = blur(fused[None], self._scoring.base, None)[0]
        return (smooth - self._centre) / self._spread

    def maps(self, query: StudyFeatures) -> Tensor:
        """Anomaly map of one image, (N, N), in z units."""
        return self.finished_map(self.fused_map(self.compare(query)))

    def score(self, query: StudyFeatures) -> float:
        """Score of one image: mean of the highest `case_fraction` of its map."""
        return self.pool(self.maps(query), query)

    def pool(self, finished: Tensor, query: StudyFeatures) -> float:
        """Score of one image from its anomaly map."""
        return top_mean(self._pooled(finished, query), self._scoring.base.case_fraction)

    def _prepare(self, scoring: ScoringConfig, weight: float) -> _Part:
        comparisons = compare_normals(self._support, scoring)
        members = list(range(len(self._support)))
        statistics = summarise_normals(self._model, comparisons, members, scoring)
        return _Part(scoring, weight, comparisons, statistics)

    def _fuse(self, maps: Sequence[Mapping[MapKey, Tensor]]) -> Tensor:
        total = torch.zeros(())
        for part, values in zip(self._parts, maps, strict=True):
            standardised = part.statistics.standardise(dict(values), _PLACE)
            total = total + part.weight * fuse(
                standardised, part.scoring, self._model.teacher.info, self._image_size
            )
        return total[0]

    def _of_normals(self) -> tuple[float, float]:
        """Mean and spread of the map where each support image is scored by the others."""
        inside = []
        for study, image in enumerate(self._support):
            others = [other for other in range(len(self._support)) if other != study]
            with torch.inference_mode():
                fused = self._fuse(
                    [
                        part.comparisons.leave_one_out(self._model, study, others)
                        for part in self._parts
                    ]
                )
            inside.append(self._pooled(blur(fused[None], self._scoring.base, None)[0], image))
        values = torch.cat(inside)
        return float(values.mean()), float(values.std().clamp_min(1e-6))

    def _pooled(self, values: Tensor, image: StudyFeatures) -> Tensor:
        """The pixels that count for the score."""
        return values[image.foreground[0]] if self._scoring.foreground_only else values.flatten()


def encode_each(model: D24FAD, images: Tensor, keys: Sequence[MapKey]) -> list[StudyFeatures]:
    """Each image as a study of one slice.

    Args:
        model: the network.
        images: (B, 3, N, N) in [0, 1].
        keys: the maps that are wanted: those of the scoring for support images, those of the
            scorer for queries.
    """
    inside = foreground(images)
    encoded = [
        chunk[torch.tensor([index])]
        for chunk in encode_images(model, images, keys)
        for index in range(len(next(iter((*chunk.teacher.values(), *chunk.student.values())))))
    ]
    return [
        StudyFeatures(features, inside[row : row + 1], 1.0) for row, features in enumerate(encoded)
    ]
