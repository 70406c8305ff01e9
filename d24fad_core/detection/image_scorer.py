"""Scores of single images against a few normal ones: the same comparison as for volumes, one slice
deep and without a frame."""

from collections.abc import Sequence

import torch
from torch import Tensor

from d24fad_core.data.slices import SliceGrid
from d24fad_core.data.volume import Plane
from d24fad_core.detection.fusion import blur, fuse, top_mean
from d24fad_core.detection.reference import prepare_plane
from d24fad_core.errors import SupportError
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.support.alignment import misalignment
from d24fad_core.support.comparison import Similarities, distances, similarities
from d24fad_core.support.features import SliceFeatures, StudyFeatures, encode_images
from d24fad_core.support.scoring import ImageScoringConfig, ScoringConfig
from d24fad_core.support.support_set import MINIMUM_STUDIES

_PLACE = torch.zeros(1, dtype=torch.long)
"""A single image is the first slice of its own frame."""


class ImageScorer:
    """Scores images in units of the support's leave-one-out map.

    Args:
        model: the network, in eval mode.
        scoring: how to score; the support images decide whether as anatomy or as texture.
        support: features of each support image, see `encode_each`.
        image_size: pixels a side.

    Raises:
        SupportError: fewer than two support images.
    """

    def __init__(
        self,
        model: D24FAD,
        scoring: ImageScoringConfig,
        support: Sequence[SliceFeatures],
        image_size: int,
    ) -> None:
        if len(support) < MINIMUM_STUDIES:
            raise SupportError(
                f"{len(support)} support image given; at least {MINIMUM_STUDIES} are needed."
            )
        self._model = model
        texture = misalignment(support) >= scoring.texture_from
        self._scoring = scoring.texture if texture else scoring.anatomy
        everywhere = torch.ones(1, image_size, image_size, dtype=torch.bool)
        studies = [StudyFeatures(features, everywhere, 1.0) for features in support]
        self._grid = SliceGrid(
            Plane.AXIAL, (image_size, image_size, 1), (1.0, 1.0, 1.0), image_size
        )
        self._reference = prepare_plane(model, self._grid, studies, self._scoring)

    @property
    def scoring(self) -> ScoringConfig:
        """What the support images chose: the scoring of anatomy or of texture."""
        return self._scoring

    def compare(self, query: SliceFeatures) -> Similarities:
        """Similarity of one image to each support image."""
        with torch.inference_mode():
            return similarities(query, _PLACE, self._reference.features, self._scoring)

    def fused_map(self, found: Similarities) -> Tensor:
        """Fused map of one image, (N, N), before the blur, from its similarities."""
        with torch.inference_mode():
            standardised = self._reference.statistics.standardise(
                distances(self._model, found), _PLACE
            )
            return fuse(
                standardised, self._scoring, self._model.teacher.info, self._grid.image_size
            )[0]

    def finished_map(self, fused: Tensor) -> Tensor:
        """Anomaly map, (N, N), in z units, from a fused map."""
        smooth = blur(fused[None], self._scoring, None)[0]
        return (smooth - self._reference.centre) / self._reference.spread

    def maps(self, query: SliceFeatures) -> Tensor:
        """Anomaly map of one image, (N, N), in z units."""
        return self.finished_map(self.fused_map(self.compare(query)))

    def score(self, query: SliceFeatures) -> float:
        """Score of one image: mean of the highest `case_fraction` of its map."""
        return top_mean(self.maps(query).flatten(), self._scoring.case_fraction)


def encode_each(model: D24FAD, images: Tensor, scoring: ImageScoringConfig) -> list[SliceFeatures]:
    """Features of each image by itself.

    Args:
        model: the network.
        images: (B, 3, N, N) in [0, 1].
        scoring: which scales are wanted.
    """
    return [
        chunk[torch.tensor([index])]
        for chunk in encode_images(model, images, scoring.keys)
        for index in range(_length(chunk))
    ]


def _length(features: SliceFeatures) -> int:
    parts = [*features.teacher.values(), *features.student.values()]
    return len(parts[0]) if parts else 0
