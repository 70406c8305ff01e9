"""Configuration of a training run; saved with the checkpoint."""

from dataclasses import asdict, dataclass, field, replace
from math import ceil
from typing import Any

from d24fad_core.errors import ConfigurationError
from d24fad_core.networks.d24fad import PAPER, NetworkConfig
from d24fad_core.networks.student import StudentConfig


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that shapes a training run but the data.

    Attributes:
        network: the architecture.
        image_size: pixels a side, a multiple of 32.
        epochs: epochs in all.
        steps: episodes an epoch.
        queries: query images an episode.
        shots: support images an episode (K).
        learning_rate: of Adam, at its peak.
        betas: of Adam.
        one_cycle: warm the learning rate up and down again over the run.
        ssd_weight: weight of the self-distillation loss.
        tsd_weight: weight of the teacher-student loss (paper: 0.1).
        stop_gradient: no gradient into the support side of the self-distillation; with it and a
            larger `tsd_weight` the student does not collapse.
        per_position: cosine at each position instead of over the flattened feature.
        search_radius: window of learn-to-weight per position at strides 4, 8 and 16.
        tsd_warm_up: share of the steps, at the beginning, in which the teacher-student loss acts
            alone, so that the student has something to say before it is compared with itself.
        horizontal_flip: show every other episode mirrored, query and support alike.
        seed: seed of weights and episodes.
    """

    network: NetworkConfig = field(
        default_factory=lambda: NetworkConfig(
            student=StudentConfig(blocks=(2, 2, 2), widths=(160, 80, 48))
        )
    )
    image_size: int = 128
    epochs: int = 20
    steps: int = 100
    queries: int = 8
    shots: int = 4
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    one_cycle: bool = True
    ssd_weight: float = 1.0
    tsd_weight: float = 3.0
    stop_gradient: bool = True
    per_position: bool = True
    search_radius: tuple[int, int, int] = (2, 1, 1)
    tsd_warm_up: float = 0.0
    horizontal_flip: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.image_size < 32 or self.image_size % 32:
            raise ConfigurationError(
                f"an image size of {self.image_size} pixels does not fit the network",
                "give a multiple of 32, such as 128.",
            )
        for name in ("epochs", "steps", "queries", "shots"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}", "give 1 or more.")
        if not self.learning_rate > 0:
            raise ConfigurationError(
                f"a learning rate of {self.learning_rate} cannot train",
                "give more than 0.",
            )
        if not 0.0 <= self.tsd_warm_up <= 1.0:
            raise ConfigurationError(
                f"a teacher-student warm-up of {self.tsd_warm_up} is no share of the steps",
                "give 0 to 1.",
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


PAPER_TRAINING = TrainingConfig(
    network=PAPER,
    epochs=70,
    queries=16,
    learning_rate=1e-4,
    betas=(0.5, 0.999),
    one_cycle=False,
    tsd_weight=0.1,
    stop_gradient=False,
    horizontal_flip=False,
    per_position=False,
)
"""Training as published (paper, section 4.1)."""

PRESETS = {"default": TrainingConfig(), "paper": PAPER_TRAINING}

_STEPS_AN_EPOCH = 100
"""A stopped training loses at most one epoch."""


def preset_training(
    preset: str, steps: int | None, image_size: int, teacher: str | None
) -> TrainingConfig:
    """A preset for a benchmark, with epochs short enough to be stopped.

    Args:
        preset: a name of `PRESETS`.
        steps: episodes in all; None leaves those of the preset.
        image_size: pixels a side.
        teacher: its name; None leaves that of the preset.
    """
    config = replace(PRESETS[preset], image_size=image_size)
    if teacher is not None:
        config = replace(config, network=replace(config.network, teacher=teacher))
    if steps is not None:
        epochs = ceil(steps / _STEPS_AN_EPOCH)
        config = replace(config, epochs=epochs, steps=ceil(steps / epochs))
    return config
