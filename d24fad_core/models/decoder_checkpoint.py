"""A taught support decoder on disk: weights as safetensors beside a JSON model card."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.comparison.normal_response import ResponseMap
from d24fad_core.errors import CheckpointError, ConfigurationError
from d24fad_core.files import hash_file, whole_file, write_text
from d24fad_core.models.checkpoint import CARD_FILE, WEIGHTS_FILE
from d24fad_core.models.response_file import save_response
from d24fad_core.networks.support_decoder import SupportDecoderConfig, TwofoldDecoder
from d24fad_core.safetensors_file import read_safetensors, write_safetensors

CARD_VERSION = "decoder-2.0"
SHIPPED_DECODER = Path(__file__).parents[1] / "checkpoints" / "support-decoder"
"""The decoder that is used unless another one is named."""


@dataclass(frozen=True)
class DecoderCard:
    """What a decoder says of itself.

    Attributes:
        name: what to call it in reports.
        network: architecture of both its parts.
        voxel_mm: side of the voxels that it was taught on.
        threshold: log-odds above which a voxel is abnormal, chosen on people who do not teach.
        training: data with licences and hashes, options, and how the threshold was chosen.
        metrics: what was measured, with the data that it was measured on.
        licence: licence of the weights.
        notice: the research-use sentence.
        weights_hash: SHA-256 of the weights file; empty before it is written.
        response_hash: SHA-256 of what it answers to untouched people, see `response_file`; empty
            where that was not measured.
        version: library version that wrote it.
    """

    name: str
    network: SupportDecoderConfig
    voxel_mm: float
    threshold: float
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"
    notice: str = RESEARCH_USE_ONLY
    weights_hash: str = ""
    response_hash: str = ""
    version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        values = {"card_version": CARD_VERSION, **asdict(self)}
        return values | {"network": self.network.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DecoderCard":
        """From plain values.

        Raises:
            CheckpointError: a field is missing or unknown, or the card is of another version.
        """
        version = values.get("card_version")
        if version != CARD_VERSION:
            raise CheckpointError(
                f"the decoder's card is of version {version!r}, this library reads {CARD_VERSION}",
                "install the library version that wrote it.",
            )
        fields = {key: value for key, value in values.items() if key != "card_version"}
        try:
            network = dict(fields["network"])
            network["widths"] = tuple(network["widths"])
            fields["network"] = SupportDecoderConfig(**network)
            return cls(**fields)
        except (KeyError, TypeError, ConfigurationError) as error:
            raise CheckpointError(
                f"the decoder's card cannot be read ({type(error).__name__}: {error})",
                "copy it again.",
            ) from error


def save_decoder(
    decoder: TwofoldDecoder,
    card: DecoderCard,
    folder: Path,
    response: ResponseMap | None = None,
) -> DecoderCard:
    """Write weights, response and card, each whole or not at all; return the card as written.

    Args:
        decoder: its weights.
        card: its card; the hashes are filled in.
        folder: where to.
        response: what it answers to untouched people, where that was measured.
    """
    response_hash = "" if response is None else save_response(response, folder)
    state = {name: value.detach().contiguous() for name, value in decoder.state_dict().items()}
    with whole_file(folder / WEIGHTS_FILE) as temporary:
        write_safetensors(state, temporary)
        full_card = replace(card, weights_hash=hash_file(temporary), response_hash=response_hash)
        text = json.dumps(full_card.to_dict(), indent=2) + "\n"
    write_text(folder / CARD_FILE, text)
    return full_card


def load_decoder(folder: Path | None = None) -> tuple[TwofoldDecoder, DecoderCard]:
    """Load a decoder and its card.

    Args:
        folder: a folder that `save_decoder` wrote; None takes the shipped one.

    Raises:
        CheckpointError: something is missing, damaged or does not belong together.
    """
    folder = folder or SHIPPED_DECODER
    try:
        values = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{folder / CARD_FILE} is no decoder's card ({error})",
            "give a folder that `d24fad train-decoder` wrote.",
        ) from error
    card = DecoderCard.from_dict(values if isinstance(values, dict) else {})
    weights = folder / WEIGHTS_FILE
    state = read_safetensors(weights, "copy it again")
    if card.weights_hash != hash_file(weights):
        raise CheckpointError(
            f"{weights} is not the file that its card describes (SHA-256 differs); the download "
            "is damaged or the two belong to different decoders.",
            "Copy both again, from the same place.",
        )
    decoder = TwofoldDecoder(card.network)
    try:
        decoder.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{weights} does not fit its card's architecture: {error}",
            "copy weights and card again, both from the same checkpoint.",
        ) from error
    decoder.eval().requires_grad_(False)
    return decoder, card
