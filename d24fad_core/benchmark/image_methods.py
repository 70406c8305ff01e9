"""The methods that `d24fad benchmark` compares: a name, a scoring and the training it needs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

from d24fad_core.comparison.scoring import ImageScoringConfig, default_image_scoring
from d24fad_core.errors import ConfigurationError
from d24fad_core.evaluation.methods import (
    DEFAULT,
    NEAREST_NEIGHBOUR,
    nearest_neighbour_images,
    without_student_images,
)
from d24fad_core.images.paper_map import PaperMap


class Method(Protocol):
    """What a benchmark has to know of a method."""

    @property
    def name(self) -> str:
        """Its name in tables."""

    @property
    def training(self) -> str | None:
        """Name of the training preset whose student it needs; None needs no training."""

    def to_dict(self) -> dict[str, Any]:
        """Everything that shapes its scores, as plain values."""


_AnyMethod = TypeVar("_AnyMethod", bound=Method)


@dataclass(frozen=True)
class ScoredMethod:
    """A method that scores images as the product does, or as the paper.

    Attributes:
        name: its name in tables.
        scoring: how an image is scored.
        training: name of the training preset whose student it needs; None needs no training.
    """

    name: str
    scoring: ImageScoringConfig | PaperMap
    training: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        scoring = self.scoring
        values = scoring.to_dict() if isinstance(scoring, ImageScoringConfig) else asdict(scoring)
        return {
            "name": self.name,
            "scoring": {"kind": type(scoring).__name__, **values},
            "training": self.training,
        }


def default_methods() -> tuple[ScoredMethod, ...]:
    """The product's scoring, the same without the student, the paper's, and nearest neighbour."""
    scoring = default_image_scoring()
    return (
        ScoredMethod(DEFAULT, scoring, "default"),
        ScoredMethod("default_without_student", without_student_images(scoring), "default"),
        ScoredMethod("paper", PaperMap(), "paper"),
        ScoredMethod(NEAREST_NEIGHBOUR, nearest_neighbour_images(scoring)),
    )


def choose_methods(names: Sequence[str], methods: Sequence[_AnyMethod]) -> tuple[_AnyMethod, ...]:
    """Those of the methods that are named; all where no name is given.

    Raises:
        ConfigurationError: a name is unknown.
    """
    known = {method.name: method for method in methods}
    for name in names:
        if name not in known:
            raise ConfigurationError(f"no method '{name}'", f"choose among {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(names)) if names else tuple(methods)
