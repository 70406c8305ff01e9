"""The methods of this project's tables, each a name and its configuration.

A variant is the recipe of an anomaly map and the ways to pool it into a score of the image. Recipes
that only differ in configuration share their code, which is that of the product
(`d24fad_core.images.image_scorer`).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.image_tasks.coreset import CoresetConfig
from d24fad_core.comparison.scoring import (
    ImageScoringConfig,
    MapKind,
    ScoringConfig,
    Weights,
    default_image_scoring,
)
from d24fad_core.evaluation.methods import without_student_images
from d24fad_core.images.paper_map import PaperMap


@dataclass(frozen=True)
class Pooling:
    """From an anomaly map to a score.

    Attributes:
        name: what stands behind the method's name.
        fraction: share of the highest pixels whose mean is the score; 0 takes the highest one.
        foreground: pool over the image's foreground alone.
    """

    name: str
    fraction: float
    foreground: bool = False


POOLINGS = (
    Pooling("max", 0.0),
    Pooling("top5", 0.05),
    Pooling("mean", 1.0),
    Pooling("foreground", 1.0, foreground=True),
)
PAPER_POOLING = (Pooling("", 0.0),)
OWN_POOLING = ()
"""The pooling that the scoring itself asks for."""


@dataclass(frozen=True)
class MeanSupportMap:
    """Cosine distance to the mean of the support's features at the same place.

    Attributes:
        part: whose features, "teacher" or "student".
        weights: of the distances at strides 4, 8 and 16.
        blur: Gaussian sigma in image pixels.
    """

    part: str
    weights: Weights = (1.0, 1.0, 1.0)
    blur: float = 2.0


MapRecipe = ImageScoringConfig | PaperMap | MeanSupportMap | CoresetConfig


@dataclass(frozen=True)
class Variant:
    """One method of the tables.

    Attributes:
        name: its name in tables.
        recipe: how its map is made.
        training: name of the training preset whose student it needs; None needs no training.
        poolings: its scores, each named NAME/POOLING, or NAME alone for a pooling without a name.
        official: scored by the published protocol too, where that is wanted.
    """

    name: str
    recipe: MapRecipe
    training: str | None = None
    poolings: tuple[Pooling, ...] = POOLINGS
    official: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        recipe = self.recipe
        values = recipe.to_dict() if isinstance(recipe, ImageScoringConfig) else asdict(recipe)
        return {
            "name": self.name,
            "recipe": {"kind": type(recipe).__name__, **values},
            "training": self.training,
            "poolings": [asdict(pooling) for pooling in self.poolings],
            "official": self.official,
        }


_NONE: Weights = (0.0, 0.0, 0.0)
_ALL: Weights = (1.0, 1.0, 1.0)
_NEAREST: Weights = (0.0, 1.0, 1.0)
"""Strides 8 and 16, which did best without training."""


def _same_everywhere(
    kind: MapKind, weights: Weights, radius: tuple[int, int, int] | None
) -> ImageScoringConfig:
    """One map alone, whatever the support images show."""
    return ImageScoringConfig(
        ScoringConfig(
            fusion={other: weights if other is kind else _NONE for other in MapKind},
            search_radius=radius,
            neighbours=False,
            subtracted=0.0,
        )
    )


def without_teacher(scoring: ImageScoringConfig) -> ImageScoringConfig:
    """The same with the student's features wherever the teacher's are compared with the support."""

    def changed(part: ScoringConfig) -> ScoringConfig:
        own, fitted, residual = (
            part.fusion.get(kind, _NONE)
            for kind in (MapKind.SELF_DISTILLATION, MapKind.TEACHER_SUPPORT, MapKind.RESIDUAL)
        )
        return _with_fusion(
            part,
            {
                MapKind.SELF_DISTILLATION: (
                    own[0] + fitted[0] + residual[0],
                    own[1] + fitted[1] + residual[1],
                    own[2] + fitted[2] + residual[2],
                ),
                MapKind.TEACHER_SUPPORT: _NONE,
                MapKind.RESIDUAL: _NONE,
            },
        )

    return _with_parts(scoring, changed)


def _with_fusion(scoring: ScoringConfig, changed: Mapping[MapKind, Weights]) -> ScoringConfig:
    return replace(scoring, fusion={**scoring.fusion, **changed})


def _with_parts(
    scoring: ImageScoringConfig, changed: Callable[[ScoringConfig], ScoringConfig]
) -> ImageScoringConfig:
    in_place = changed(scoring.in_place) if scoring.in_place else None
    return replace(scoring, base=changed(scoring.base), in_place=in_place)


def variants(scoring: ImageScoringConfig | None = None) -> tuple[Variant, ...]:
    """All variants.

    Args:
        scoring: how `default` scores images; None takes the library's.
    """
    scoring = scoring or default_image_scoring()
    teacher, student = MapKind.TEACHER_SUPPORT, MapKind.SELF_DISTILLATION
    return (
        Variant("default", scoring, "default", OWN_POOLING, official=True),
        Variant("default_without_teacher", without_teacher(scoring), "default", OWN_POOLING),
        Variant("default_without_student", without_student_images(scoring), "default", OWN_POOLING),
        Variant("paper", PaperMap(), "paper", PAPER_POOLING, official=True),
        Variant("residual", _same_everywhere(MapKind.RESIDUAL, _NEAREST, None), "default"),
        Variant("nearest_neighbour", _same_everywhere(teacher, _NEAREST, None)),
        Variant("nearest_neighbour_same_position", _same_everywhere(teacher, _NEAREST, (0, 0, 0))),
        Variant("nearest_neighbour_window", _same_everywhere(teacher, _NEAREST, (2, 2, 2))),
        Variant("patchcore", CoresetConfig()),
        Variant("mean_support_teacher", MeanSupportMap("teacher", _NEAREST)),
        Variant(
            "teacher_student", _same_everywhere(MapKind.TEACHER_STUDENT, _ALL, None), "default"
        ),
        Variant("self_distillation", _same_everywhere(student, _ALL, (2, 1, 1)), "default"),
        Variant("mean_support", MeanSupportMap("student"), "default"),
    )
