"""What a run that teaches the support decoder is made of."""

from dataclasses import asdict, dataclass, field
from typing import Any

from d24fad_core.errors import ConfigurationError
from d24fad_core.networks.support_decoder import SupportDecoderConfig


@dataclass(frozen=True)
class DecoderTraining:
    """Options of a run.

    Attributes:
        steps: optimiser steps.
        cases: people with planted anomalies beside their normals, which episodes are cut from.
        in_shape: teach on normals in the shape of the person, not where they are aligned affinely.
        episodes: episodes a step, each of another case.
        slices: neighbouring slices an episode.
        learning_rate: highest rate of AdamW; it rises for `warm_up` steps, then falls as a cosine.
        warm_up: steps until the highest rate.
        weight_decay: of AdamW.
        dice_weight: weight of the Dice loss beside the cross-entropy.
        abnormal_weight: how much more an abnormal pixel counts in the cross-entropy.
        simulated_people: simulated heads of each contrast that teach beside the real people.
        people_share: share of the cases that real people teach.
        seed: equal seeds give equal runs on one machine.
        save_every: steps between saved states.
        network: architecture.
    """

    steps: int = 6500
    cases: int = 800
    in_shape: bool = False
    episodes: int = 3
    slices: int = 4
    learning_rate: float = 2e-3
    warm_up: int = 100
    weight_decay: float = 1e-2
    dice_weight: float = 0.5
    abnormal_weight: float = 3.0
    simulated_people: int = 10
    people_share: float = 0.8
    seed: int = 0
    save_every: int = 50
    network: SupportDecoderConfig = field(default_factory=SupportDecoderConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "cases", "episodes", "slices", "save_every", "simulated_people"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}", "give at least 1.")
        if not 0.0 <= self.people_share <= 1.0:
            raise ConfigurationError(
                f"people_share is {self.people_share}",
                "give a share between 0 and 1.",
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain values for a model card."""
        return {**asdict(self), "network": self.network.to_dict()}
