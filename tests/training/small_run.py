"""A training run that takes seconds: little pictures, a small student, a random teacher."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from d24fad_core.models.checkpoint import ModelCard
from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.episodes import ImageEpisodes
from d24fad_core.training.trainer import train

BY_POSITION = NetworkConfig(student=StudentConfig(blocks=(1, 1, 1), widths=(16, 16, 16)))
BY_IMAGE = NetworkConfig(
    teacher="resnet18",
    student=StudentConfig(blocks=(1, 1, 1)),
    weighting="image",
    normalise_input=False,
)

CONFIG = TrainingConfig(
    network=BY_POSITION, image_size=64, epochs=3, steps=2, queries=3, shots=2, seed=5
)


def pictures(count: int, seed: int) -> torch.Tensor:
    """Pictures of coloured squares, (count, 3, 64, 64) uint8."""
    squares = np.random.default_rng(seed).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    return torch.from_numpy(squares.repeat(8, axis=2).repeat(8, axis=3))


def tasks() -> list[ImageEpisodes]:
    """Two tasks."""
    return [ImageEpisodes("squares", pictures(7, 1)), ImageEpisodes("others", pictures(6, 2))]


def network(config: NetworkConfig = BY_POSITION, seed: int = 0) -> D24FAD:
    """A network with random weights, in eval mode."""
    torch.manual_seed(seed)
    return D24FAD(config, build_teacher(config.teacher, pretrained=False)).eval()


def run(
    folder: Path,
    config: TrainingConfig = CONFIG,
    on_step: Callable[[int, int], None] | None = None,
    **more: Any,
) -> ModelCard:
    """Train, or go on, in one thread and against a random teacher unless `more` says otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    card = ModelCard("small", config.network, config.image_size)
    options = {"sources": tasks(), "pretrained": False, **more}
    try:
        return train(config, folder=folder, card=card, on_step=on_step, **options)
    finally:
        torch.set_num_threads(threads)
