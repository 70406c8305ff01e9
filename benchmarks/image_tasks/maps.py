"""Anomaly maps of test images by the recipes of the methods; comparisons are made once for all."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from benchmarks.image_tasks.coreset import Coreset, CoresetConfig
from benchmarks.image_tasks.methods import MapRecipe, MeanSupportMap, Pooling
from d24fad_core.benchmark.image_cells import only_needed
from d24fad_core.comparison.features import (
    PreparedImages,
    StudyFeatures,
    UnitFeatures,
)
from d24fad_core.comparison.scoring import (
    ImageScoringConfig,
    MapKey,
    MapKind,
    ScoringConfig,
)
from d24fad_core.comparison.similarity import Similarities, image_similarities
from d24fad_core.images.image_scorer import ImageScorer
from d24fad_core.images.paper_map import PaperMap, PaperMaps, blurred
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.maps import distance_maps, to_image_size

_AFTER_COMPARING = (
    "fusion",
    "subtracted",
    "mean_blur",
    "mean_blur_slices",
    "blur",
    "blur_mm",
    "case_fraction",
    "slice_fraction",
)
"""Options of a scoring that act on similarities, not on how they come about."""


class PreparedDraw:
    """The support images of one draw, made ready once for all test images.

    Args:
        supports: all support images of the draw; fewer shots take the first of them.
    """

    def __init__(self, supports: Sequence[StudyFeatures]) -> None:
        self._supports = tuple(supports)
        self._prepared: dict[tuple[int, MapKey], PreparedImages] = {}

    def first(self, shots: int, key: MapKey) -> PreparedImages:
        """The first support images, ready for one map."""
        if (shots, key) not in self._prepared:
            self._prepared[shots, key] = PreparedImages(self._supports[:shots], [key])
        return self._prepared[shots, key]


class ComparedImage:
    """One test image and what it was compared with; each comparison is made once.

    Args:
        study: the image, with features of all scales that any method wants.
        draw: the support images.
    """

    def __init__(self, study: StudyFeatures, draw: PreparedDraw) -> None:
        self.study, self.features = study, study.slices
        self._unit = UnitFeatures(study.slices)
        self._draw = draw
        self._similarities: dict[tuple[str, MapKey, int], Tensor] = {}

    def similarities(self, scoring: ScoringConfig, options: str, shots: int) -> Similarities:
        """Similarity to the first supports.

        Args:
            scoring: which maps to make.
            options: its `comparison_options`.
            shots: K.
        """
        result: Similarities = {}
        for key in scoring.keys:
            # The student against the teacher is the same with any support.
            name = (options, key, 0 if key[0] is MapKind.TEACHER_STUDENT else shots)
            if name not in self._similarities:
                alone = dict.fromkeys(MapKind, (0.0, 0.0, 0.0))
                first, second, third = (float(scale == key[1]) for scale in range(3))
                alone[key[0]] = (first, second, third)
                supports = self._draw.first(shots, key)
                with torch.inference_mode():
                    fresh = image_similarities(
                        self.features, self._unit, supports, replace(scoring, fusion=alone)
                    )
                self._similarities[name] = fresh[key]
            result[key] = self._similarities[name]
        return result


def comparison_options(scoring: ScoringConfig) -> str:
    """The options that a similarity depends on; equal for scorings that can share it."""
    values = scoring.to_dict()
    return json.dumps({key: values[key] for key in values if key not in _AFTER_COMPARING})


class ImageMaps(Protocol):
    """Makes the maps of one method with one support set."""

    pooling: Pooling | None
    """The pooling that the recipe itself asks for; None where it says nothing."""

    def raw(self, image: ComparedImage) -> Tensor:
        """Map of one image, (N, N), before the blur."""

    def finished(self, raw: Tensor) -> Tensor:
        """The anomaly map, (N, N)."""


class _ScoredMaps:
    """Maps of the product's scorer."""

    def __init__(
        self,
        model: D24FAD,
        recipe: ImageScoringConfig,
        support: Sequence[StudyFeatures],
        image_size: int,
    ) -> None:
        reduced = [only_needed(image, recipe.keys) for image in support]
        self._scorer = ImageScorer(model, recipe, reduced, image_size)
        self._shots = len(support)
        self._scorings = [
            (scoring, comparison_options(scoring)) for scoring in self._scorer.scorings
        ]
        self.pooling: Pooling | None = Pooling(
            "", recipe.base.case_fraction, recipe.foreground_only
        )

    def raw(self, image: ComparedImage) -> Tensor:
        return self._scorer.fused_map(
            [
                image.similarities(scoring, options, self._shots)
                for scoring, options in self._scorings
            ]
        )

    def finished(self, raw: Tensor) -> Tensor:
        return self._scorer.finished_map(raw)


class _PaperMaps:
    """The published map, with one learnt weight per support image."""

    pooling: Pooling | None = None

    def __init__(
        self, model: D24FAD, recipe: PaperMap, support: Sequence[StudyFeatures], image_size: int
    ) -> None:
        self._maps = PaperMaps(model, recipe, support, image_size)

    def raw(self, image: ComparedImage) -> Tensor:
        return self._maps.raw(image.study)

    def finished(self, raw: Tensor) -> Tensor:
        return self._maps.finished(raw)


class _MeanSupportMaps:
    """Distance to the mean support."""

    pooling: Pooling | None = None

    def __init__(
        self,
        model: D24FAD,
        recipe: MeanSupportMap,
        support: Sequence[StudyFeatures],
        image_size: int,
    ) -> None:
        self._recipe, self._info, self._image_size = recipe, model.teacher.info, image_size
        self._scales = [scale for scale in range(3) if recipe.weights[scale]]
        self._mean = {
            scale: torch.cat(
                [getattr(image.slices, recipe.part)[scale].float() for image in support]
            ).mean(dim=0, keepdim=True)
            for scale in self._scales
        }

    def raw(self, image: ComparedImage) -> Tensor:
        features = getattr(image.features, self._recipe.part)
        total = torch.zeros(())
        for scale in self._scales:
            distance = distance_maps((features[scale].float(),), (self._mean[scale],))[0]
            total = total + self._recipe.weights[scale] * to_image_size(
                distance, self._info.strides[scale], self._info.centres[scale], self._image_size
            )
        return total[0]

    def finished(self, raw: Tensor) -> Tensor:
        return blurred(raw, self._recipe.blur)


class _CoresetMaps:
    """Distance to a coreset."""

    pooling: Pooling | None = None

    def __init__(
        self,
        model: D24FAD,
        recipe: CoresetConfig,
        support: Sequence[StudyFeatures],
        image_size: int,
    ) -> None:
        self._coreset = Coreset([image.slices for image in support], recipe)
        self._blur, self._image_size = recipe.blur, image_size
        fine = recipe.scales[0]
        self._place = model.teacher.info.strides[fine], model.teacher.info.centres[fine]

    def raw(self, image: ComparedImage) -> Tensor:
        distances = self._coreset.distances(image.features)
        return to_image_size(distances[None], *self._place, self._image_size)[0]

    def finished(self, raw: Tensor) -> Tensor:
        return blurred(raw, self._blur)


def prepare_maps(
    model: D24FAD, recipe: MapRecipe, support: Sequence[StudyFeatures], image_size: int
) -> ImageMaps:
    """Make a recipe ready for a support set.

    Args:
        model: the network.
        recipe: the method's.
        support: features of each support image.
        image_size: N.
    """
    if isinstance(recipe, PaperMap):
        return _PaperMaps(model, recipe, support, image_size)
    if isinstance(recipe, MeanSupportMap):
        return _MeanSupportMaps(model, recipe, support, image_size)
    if isinstance(recipe, CoresetConfig):
        return _CoresetMaps(model, recipe, support, image_size)
    return _ScoredMaps(model, recipe, support, image_size)
