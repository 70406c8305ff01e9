"""The methods that an evaluation compares: what the checkpoint does, and the training-free bar."""

from dataclasses import replace

from d24fad_core.support.scoring import MapKind, ScoringConfig

DEFAULT = "default"
NEAREST_NEIGHBOUR = "nearest_neighbour"

_NEAREST = {
    MapKind.SELF_DISTILLATION: (0.0, 0.0, 0.0),
    MapKind.TEACHER_STUDENT: (0.0, 0.0, 0.0),
    MapKind.TEACHER_SUPPORT: (0.0, 1.0, 1.0),
}


def nearest_neighbour(scoring: ScoringConfig, *, images: bool) -> ScoringConfig:
    """Nearest neighbour in the features of the same teacher, nothing trained, nothing taken off.

    Strides 8 and 16, cosine; anywhere in the support for images, in a window of two feature
    positions at the same place of the body for volumes.

    Args:
        scoring: whose pooling and blur are kept.
        images: whether single images are scored.
    """
    return replace(
        scoring,
        fusion=_NEAREST,
        search_radius=None if images else (2, 2, 2),
        subtracted=0.0,
    )
