"""Students that never saw the task that they are tested on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.comparison.scoring import ScoringConfig, default_image_scoring
from d24fad_core.errors import CheckpointError
from d24fad_core.files import write_text
from d24fad_core.models.checkpoint import ModelCard
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.episodes import EpisodeSource
from d24fad_core.training.trainer import EpochReport, StepReport, train

DATA_FILE = "training_data.json"


@dataclass(frozen=True, eq=False)
class NormalImages:
    """A task's normal training images.

    Attributes:
        source: where episodes come from.
        key: hash of the images' content as the teacher sees it.
    """

    source: EpisodeSource
    key: str


def train_without(
    held_out: str,
    tasks: Mapping[str, NormalImages],
    config: TrainingConfig,
    folder: Path,
    *,
    device: str = "cpu",
    teacher_weights: Path | None = None,
    on_step: StepReport | None = None,
    on_epoch: EpochReport | None = None,
) -> ModelCard:
    """Train on the normal images of all tasks but one, or go on with a run that was stopped.

    The number of steps is fixed; nothing of the held-out task enters, not even to choose a
    checkpoint.

    Args:
        held_out: the task that is left out.
        tasks: all tasks.
        config: how to train, with its seed.
        folder: where the run goes; its `checkpoint` holds the result.
        device: torch device.
        teacher_weights: a file with the teacher's weights.
        on_step: told the epoch's step and the epoch after each step.
        on_epoch: told the epoch's mean losses.

    Raises:
        CheckpointError: the folder holds a run of another configuration or on other images.
        CancelledError: Ctrl-C; the epochs that were done are kept.
    """
    others = {name: images for name, images in tasks.items() if name != held_out}
    _check_same_data({name: images.key for name, images in others.items()}, folder / DATA_FILE)
    card = ModelCard(
        f"without {held_out}, seed {config.seed}",
        config.network,
        config.image_size,
        ScoringConfig().to_dict(),
        default_image_scoring().to_dict(),
        training={"held_out": held_out},
    )
    return train(
        config,
        [images.source for images in others.values()],
        folder,
        card,
        device=device,
        teacher_weights=teacher_weights,
        on_step=on_step,
        on_epoch=on_epoch,
    )


def _check_same_data(keys: dict[str, str], path: Path) -> None:
    text = json.dumps(keys, indent=2) + "\n"
    if not path.is_file():
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise CheckpointError(
            f"{path.parent} holds a student trained on other images",
            "give another --out, or delete that folder to train it again.",
        )
