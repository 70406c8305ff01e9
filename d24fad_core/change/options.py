"""Choices for a comparison with a prior."""

from dataclasses import dataclass

from d24fad_core.errors import ConfigurationError

DEFAULT_THRESHOLD = 6.5
"""z of a seed. Set on simulated pairs of 35 people, see docs/change.md."""

SMALLEST_CHANGE_ML = 0.014
"""Volume of a ball of 3 mm."""


@dataclass(frozen=True)
class ChangeOptions:
    """Choices for a comparison with a prior.

    Attributes:
        threshold: z above which a voxel is the seed of a change.
        minimum_volume_ml: smaller changes are dropped.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    threshold: float = DEFAULT_THRESHOLD
    minimum_volume_ml: float = SMALLEST_CHANGE_ML

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise ConfigurationError(
                f"A threshold of {self.threshold} z cannot mark changes",
                "give more than 0.",
            )
        if not self.minimum_volume_ml >= 0:
            raise ConfigurationError(
                f"A minimum volume of {self.minimum_volume_ml} ml has no meaning",
                "give 0 or more.",
            )
