"""Checkpoints: weights as safetensors, everything else in a JSON model card beside them.

The teacher's weights are not stored: they come from where its registry entry says. The card holds
their hash, so that checkpoints stay small and a teacher with other weights is noticed.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.errors import CheckpointError, ConfigurationError
from d24fad_core.files import hash_bytes, hash_file, whole_file, write_text
from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.safetensors_file import read_safetensors, write_safetensors

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"
CARD_VERSION = "1.0"
SHIPPED = Path(__file__).parents[1] / "checkpoints" / "default"
"""The checkpoint that is used unless another one is named."""


@dataclass(frozen=True)
class ModelCard:
    """What a checkpoint says of itself.

    Attributes:
        name: what to call the model in reports.
        network: its architecture.
        image_size: side of the images that it was trained on, in pixels.
        scoring: how maps of volumes are fused, pooled and calibrated, as plain values.
        image_scoring: the same for single images.
        training: data with licences, seeds, steps and everything else needed to repeat it.
        metrics: what was measured, with the data that it was measured on.
        licence: licence of the weights.
        notice: the research-use sentence.
        teacher_hash: hash of the teacher's weights during training.
        weights_hash: SHA-256 of the weights file; empty before it is written.
        version: library version that wrote the checkpoint.
    """

    name: str
    network: NetworkConfig
    image_size: int
    scoring: dict[str, Any] = field(default_factory=dict)
    image_scoring: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"
    notice: str = RESEARCH_USE_ONLY
    teacher_hash: str = ""
    weights_hash: str = ""
    version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"card_version": CARD_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelCard":
        """From plain values.

        Raises:
            CheckpointError: a field is missing or unknown, or the card is of another version.
        """
        version = values.get("card_version")
        if version != CARD_VERSION:
            raise CheckpointError(
                f"the model card is of version {version!r}, this library reads {CARD_VERSION}",
                "install the library version that wrote it.",
            )
        unknown = set(values) - set(cls.__dataclass_fields__) - {"card_version"}
        if unknown:
            raise CheckpointError(
                f"the model card has unknown fields ({', '.join(sorted(unknown))})",
                "install the library version that wrote it.",
            )
        try:
            fields = {key: value for key, value in values.items() if key != "card_version"}
            fields["network"] = NetworkConfig.from_dict(fields["network"])
            return cls(**fields)
        except (KeyError, TypeError, ConfigurationError) as error:
            raise CheckpointError(
                f"the model card cannot be read ({type(error).__name__}: {error})",
                "copy it again.",
            ) from error


def state_hash(module: nn.Module) -> str:
    """SHA-256 over a module's parameters and buffers, by name, without step counters."""
    parts = []
    for name, value in sorted(module.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            parts += [name.encode(), value.detach().cpu().contiguous().numpy().tobytes()]
    return hash_bytes(*parts)


def save_checkpoint(model: D24FAD, card: ModelCard, folder: Path) -> ModelCard:
    """Write weights and card into a folder, each whole or not at all.

    Returns:
        The card as written, with the hashes.
    """
    state = {
        name: value.detach().cpu().contiguous()
        for name, value in model.state_dict().items()
        if not name.startswith("teacher.")
    }
    with whole_file(folder / WEIGHTS_FILE) as temporary:
        write_safetensors(state, temporary)
        full_card = replace(
            card, teacher_hash=state_hash(model.teacher), weights_hash=hash_file(temporary)
        )
        # A card that cannot be written must not leave new weights beside an old card.
        text = json.dumps(full_card.to_dict(), indent=2) + "\n"
    write_text(folder / CARD_FILE, text)
    return full_card


def read_card(folder: Path) -> ModelCard:
    """Read the model card of a checkpoint folder.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint at {folder}: a checkpoint is a folder with {WEIGHTS_FILE} and "
            f"{CARD_FILE}",
            "`d24fad train` and `d24fad import-official` write one.",
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path} is no JSON model card ({error}).",
            "Copy the card again.",
        ) from error
    if not isinstance(values, dict):
        raise CheckpointError(
            f"{path} is no JSON model card (it holds no object).",
            "Copy the card again.",
        )
    return ModelCard.from_dict(values)


def check_weights(folder: Path, card: ModelCard) -> None:
    """Compare a weights file with the hash on its card.

    Raises:
        CheckpointError: it is another file.
        OSError: it cannot be read.
    """
    weights = folder / WEIGHTS_FILE
    if card.weights_hash and hash_file(weights) != card.weights_hash:
        raise CheckpointError(
            f"{weights} is not the file that its model card describes (SHA-256 differs); the "
            "download is damaged or the two belong to different models.",
            "Copy both again, from the same place.",
        )


def load_checkpoint(
    folder: Path | None = None, teacher_weights: Path | None = None
) -> tuple[D24FAD, ModelCard]:
    """Load a model and its card.

    Args:
        folder: a checkpoint folder; None loads the shipped default.
        teacher_weights: a file with the teacher's weights in place of the registered source.

    Raises:
        CheckpointError: something is missing, damaged or does not belong together.
    """
    folder = folder or SHIPPED
    card = read_card(folder)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise CheckpointError(f"{folder} has a model card but no {WEIGHTS_FILE}", "copy both.")
    check_weights(folder, card)
    state = read_safetensors(weights, "copy it again")
    teacher = build_teacher(card.network.teacher, teacher_weights)
    if card.teacher_hash and state_hash(teacher) != card.teacher_hash:
        raise CheckpointError(
            f"teacher '{card.network.teacher}' has other weights here than when {folder} was "
            f"trained (expected {card.teacher_hash[:12]}…); scores would mean nothing.",
            "Give the original weights with --teacher-weights.",
        )
    model = D24FAD(card.network, teacher)
    names = {name for name in model.state_dict() if not name.startswith("teacher.")}
    if set(state) != names:
        differing = sorted(set(state) ^ names)
        raise CheckpointError(
            f"{weights} does not fit the architecture on its card: {len(differing)} parameters "
            f"differ (first: {differing[0]}).",
            "Copy weights and card again, both from the same checkpoint.",
        )
    try:
        model.load_trained(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{weights} does not fit its card's architecture: {error}",
            "copy weights and card again, both from the same checkpoint.",
        ) from error
    model.eval()
    model.requires_grad_(False)
    return model, card


def checkpoint_hash(card: ModelCard) -> str:
    """One hash for everything that shapes a score: weights, teacher, architecture, scoring."""
    shaping = {
        "network": card.network.to_dict(),
        "image_size": card.image_size,
        "scoring": card.scoring,
    }
    return hash_bytes(
        card.weights_hash.encode(),
        card.teacher_hash.encode(),
        json.dumps(shaping, sort_keys=True).encode(),
    )
