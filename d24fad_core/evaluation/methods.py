"""The methods that an evaluation compares: the checkpoint's own and the training-free baseline."""

from dataclasses import replace

from d24fad_core.comparison.scoring import ImageScoringConfig, MapKind, ScoringConfig

DEFAULT = "default"
NEAREST_NEIGHBOUR = "nearest_neighbour"
WITHOUT_STUDENT = "without_student"
TRANSLATED = "translated_normals"
LEARNED = "learned"

_NEAREST = {
    MapKind.SELF_DISTILLATION: (0.0, 0.0, 0.0),
    MapKind.TEACHER_STUDENT: (0.0, 0.0, 0.0),
    MapKind.TEACHER_SUPPORT: (0.0, 1.0, 1.0),
}


def nearest_neighbour(scoring: ScoringConfig) -> ScoringConfig:
    """Nearest neighbour in the features of the same teacher, nothing trained, nothing taken off.

    Strides 8 and 16, cosine, in a window of two feature positions at the same place of the body.

    Args:
        scoring: whose pooling and blur are kept.
    """
    return replace(scoring, fusion=_NEAREST, search_radius=(2, 2, 2), subtracted=0.0)


def without_student(scoring: ScoringConfig) -> ScoringConfig:
    """The same without any map of the student: what is left when distillation is taken away."""
    none = (0.0, 0.0, 0.0)
    fusion = {**scoring.fusion, MapKind.SELF_DISTILLATION: none, MapKind.TEACHER_STUDENT: none}
    fusion[MapKind.RESIDUAL] = none
    if not any(fusion.get(MapKind.TEACHER_SUPPORT, none)):
        fusion[MapKind.TEACHER_SUPPORT] = _NEAREST[MapKind.TEACHER_SUPPORT]
    return replace(scoring, fusion=fusion)


def nearest_neighbour_images(scoring: ImageScoringConfig) -> ImageScoringConfig:
    """The same for single images, anywhere in the support images."""
    nearest = replace(
        scoring.base, fusion=_NEAREST, search_radius=None, neighbours=False, subtracted=0.0
    )
    return replace(scoring, base=nearest, in_place=None)


def without_student_images(scoring: ImageScoringConfig) -> ImageScoringConfig:
    """The same for single images, without any map of the student."""
    in_place = without_student(scoring.in_place) if scoring.in_place else None
    return replace(scoring, base=without_student(scoring.base), in_place=in_place)
