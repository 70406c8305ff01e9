"""The run that teaches the support decoder: resumable, and the same for the same seed."""

import json
import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from d24fad_core.errors import CheckpointError, ConfigurationError
from d24fad_core.files import hash_bytes, whole_file
from d24fad_core.models.checkpoint import state_hash
from d24fad_core.networks.support_decoder import SupportDecoder
from d24fad_core.progress import Progress, silent
from d24fad_core.torch_file import read_torch_file
from d24fad_core.training.decoder.cases import CasePool
from d24fad_core.training.decoder.config import DecoderTraining
from d24fad_core.training.decoder.episodes import Batch, draw_batch
from d24fad_core.training.decoder.people import TeachingData

_STATE = "state.pt"
_CASES = "cases"
_SLOWEST_AVERAGE = 0.995
_GRADIENT_NORM = 1.0
# Keeps the Dice loss of a batch without anomalies at what is marked there.
_DICE_PIXELS = 20.0


def train_decoder(
    data: TeachingData,
    options: DecoderTraining,
    folder: Path,
    progress: Progress = silent,
    initial: SupportDecoder | None = None,
) -> SupportDecoder:
    """Teach a decoder; a run that was stopped goes on from its last saved state.

    Args:
        data: who teaches.
        options: the run.
        folder: where its state and its cases are kept.
        progress: told of each step.
        initial: a decoder of the same architecture that goes on learning; None begins anew.

    Returns:
        The decoder with the average of its weights over the last steps, in eval mode.

    Raises:
        CheckpointError: the folder holds the state of a run with other options or other people.
    """
    torch.manual_seed(options.seed)
    network = SupportDecoder(options.network).to(memory_format=torch.channels_last)
    if initial is not None:
        network.load_state_dict(initial.state_dict())
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    average = {name: value.clone() for name, value in network.state_dict().items()}
    identity = _identity(data, options, initial)
    path = folder / _STATE
    first = 0
    if path.is_file():
        state = _read_state(path, identity)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average, first = state["average"], int(state["step"])
    case_folder = folder / _CASES / identity[:16]
    cases = CasePool(data, options.seed, options.cases, case_folder, in_shape=options.in_shape)
    network.train()
    for step in range(first, options.steps):
        for group in optimiser.param_groups:
            group["lr"] = _learning_rate(options, step)
        batch = draw_batch(cases, options.seed, step, options.episodes, options.slices)
        inputs = batch.inputs.contiguous(memory_format=torch.channels_last)
        value = decoder_loss(network(inputs), batch, options)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM)
        optimiser.step()
        _update(average, network, min(_SLOWEST_AVERAGE, (step + 1) / (step + 10)))
        progress(f"step {step + 1}, loss {float(value.detach()):.3f}", (step + 1) / options.steps)
        if (step + 1) % options.save_every == 0 or step + 1 == options.steps:
            with whole_file(path) as temporary:
                torch.save(
                    {
                        "network": network.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "average": average,
                        "step": step + 1,
                        "identity": identity,
                    },
                    temporary,
                )
    network.load_state_dict(average)
    return network.eval()


def decoder_loss(log_odds: Tensor, batch: Batch, options: DecoderTraining) -> Tensor:
    """Cross-entropy inside the query, and Dice over the batch.

    Args:
        log_odds: (B, H, W).
        batch: what is to be marked.
        options: weights.
    """
    weights = batch.inside * (1.0 + (options.abnormal_weight - 1.0) * batch.abnormal)
    entropy = F.binary_cross_entropy_with_logits(log_odds, batch.abnormal, reduction="none")
    entropy = (entropy * weights).sum() / weights.sum().clamp_min(1.0)
    marked = torch.sigmoid(log_odds) * batch.inside
    overlap = 2.0 * (marked * batch.abnormal).sum() + _DICE_PIXELS
    dice = overlap / (marked.sum() + batch.abnormal.sum() + _DICE_PIXELS)
    return entropy + options.dice_weight * (1.0 - dice)


def _learning_rate(options: DecoderTraining, step: int) -> float:
    warm = min(1.0, (step + 1) / max(options.warm_up, 1))
    fall = 0.5 * (1.0 + math.cos(math.pi * step / options.steps)) + 0.01
    return options.learning_rate * warm * fall


@torch.no_grad()
def _update(average: dict[str, Tensor], network: SupportDecoder, keep: float) -> None:
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1.0 - keep)
        else:
            average[name].copy_(value)


def _identity(data: TeachingData, options: DecoderTraining, initial: SupportDecoder | None) -> str:
    """A hash of all that shapes a run but where it is stopped."""
    values = options.to_dict()
    del values["save_every"]
    begin = None if initial is None else state_hash(initial)
    return hash_bytes(json.dumps([values, data.sources, begin], sort_keys=True).encode())


def _read_state(path: Path, identity: str) -> dict[str, Any]:
    remedy = "remove it to begin again, or give another --out"
    state: dict[str, Any] = read_torch_file(path, remedy)
    if not isinstance(state, dict) or "identity" not in state:
        raise CheckpointError(f"{path} is no state of a run", f"{remedy}.")
    if state["identity"] != identity:
        raise ConfigurationError(
            f"{path} is the state of a run with other options or other people",
            "repeat the command that began it, or give another --out.",
        )
    return state
