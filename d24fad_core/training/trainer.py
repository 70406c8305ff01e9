"""Episodic training on MONAI's engine: progress, TensorBoard, resumable after a kill."""

import io
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from monai.utils import set_determinism
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from d24fad_core.errors import (
    CancelledError,
    CheckpointError,
    ConfigurationError,
    InputError,
)
from d24fad_core.files import whole_file, write_text
from d24fad_core.models.checkpoint import ModelCard, read_card, save_checkpoint, state_hash
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.device import check_device
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.torch_file import read_torch_file
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.episodes import EpisodeSource, EpisodeStream
from d24fad_core.training.objective import StepLosses, step_losses
from d24fad_core.training.processes import TrainingProcesses, training_processes

STATE_FILE = "training_state.pt"
CONFIG_FILE = "training_config.json"
COLLAPSED = 0.1
"""Diversity below which the student is said to ignore its query."""

log = logging.getLogger(__name__)

EpochReport = Callable[[int, dict[str, float]], None]
StepReport = Callable[[int, int], None]


def train(
    config: TrainingConfig,
    sources: Sequence[EpisodeSource],
    folder: Path,
    card: ModelCard,
    *,
    initial: D24FAD | None = None,
    device: str = "cpu",
    teacher_weights: Path | None = None,
    pretrained: bool = True,
    on_step: StepReport | None = None,
    on_epoch: EpochReport | None = None,
) -> ModelCard:
    """Train a student, or go on with a run that was stopped.

    Started by `torchrun`, all processes train one model: each draws its own episodes, gradients are
    averaged, and the first writes (`training.processes`). A run may go on with another number.

    After every epoch `folder` holds the whole state; a run that is started again in the same
    folder with the same configuration loses at most the epoch that was under way.

    Args:
        config: what to train.
        sources: tasks with normal images.
        folder: where state, TensorBoard events and, in `checkpoint`, the result go.
        card: name, scoring and data of the model; network and training are filled in.
        initial: a trained model whose student goes on learning; None begins with random weights.
        device: torch device.
        teacher_weights: a file with the teacher's weights.
        pretrained: False trains against a random teacher, for tests.
        on_step: told the epoch's step and the epoch after each step.
        on_epoch: told the epoch's mean losses.

    Raises:
        InputError: there is no task, or one with too few images.
        ConfigurationError: the device cannot be used, or `initial` is of another architecture.
        CheckpointError: the folder holds a run of another configuration.
        CancelledError: Ctrl-C; the epochs that were done are kept.
    """
    if not sources:
        raise InputError("no training data given", "name image tasks or folders of normal volumes.")
    check_device(device)
    begun_with = None if initial is None else _check_initial(initial, config)
    shared = config.network.weighting == "position"
    for source in sources:
        # A task that is too small would else be noticed when it is first drawn, hours later.
        source.draw(np.random.default_rng(0), config.queries, config.shots, shared=shared)
    run = {**config.to_dict(), "tasks": [source.name for source in sources]}
    if begun_with is not None:
        run["initial_weights"] = begun_with
    with training_processes(device) as processes:
        if processes.is_first:
            _check_same_run(run, folder)
        processes.wait()
        set_determinism(config.seed)
        model = D24FAD(
            config.network,
            build_teacher(config.network.teacher, teacher_weights, pretrained=pretrained),
        ).to(device)
        if initial is not None:
            model.load_state_dict(initial.state_dict())
        parameters = [value for value in model.parameters() if value.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=config.learning_rate, betas=config.betas)
        schedule = _schedule(config, optimizer)
        stream = EpisodeStream(
            sources,
            queries=config.queries,
            shots=config.shots,
            steps=config.steps,
            shared=shared,
            seed=processes.seed(config.seed),
            horizontal_flip=config.horizontal_flip,
        )
        done = _load_state(folder / STATE_FILE, model, optimizer, schedule)
        processes.share_weights(model)
        if done < config.epochs:
            _run(
                config,
                model,
                optimizer,
                schedule,
                stream,
                folder,
                done,
                device,
                on_step if processes.is_first else None,
                on_epoch if processes.is_first else None,
                processes,
            )
        model.eval()
        finished = replace(
            card,
            network=config.network,
            image_size=config.image_size,
            training={**card.training, **run},
        )
        if processes.is_first:
            finished = save_checkpoint(model, finished, folder / "checkpoint")
        processes.wait()
        return finished if processes.is_first else read_card(folder / "checkpoint")


def _run(
    config: TrainingConfig,
    model: D24FAD,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    stream: EpisodeStream,
    folder: Path,
    done: int,
    device: str,
    on_step: StepReport | None,
    on_epoch: EpochReport | None,
    processes: TrainingProcesses,
) -> None:
    sums = dict.fromkeys(("ssd", "tsd", "total", "diversity"), 0.0)
    saved = done
    trained = [value for value in model.parameters() if value.requires_grad]
    warm_up = round(config.tsd_warm_up * config.epochs * config.steps)

    def iterate(engine: Engine, batch: Any) -> dict[str, Any]:
        model.train()
        losses: StepLosses = step_losses(
            model, batch.to(device), config, warming_up=engine.state.iteration <= warm_up
        )
        optimizer.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        processes.average_gradients(trained)
        optimizer.step()
        schedule.step()
        for name in sums:
            sums[name] += float(getattr(losses, name).detach())
        return {"loss": losses.total.item()}

    loader: Iterable[Any] = DataLoader(stream, batch_size=None)
    trainer = SupervisedTrainer(
        device=torch.device(device),
        max_epochs=config.epochs,
        train_data_loader=loader,
        network=model,
        optimizer=optimizer,
        loss_function=torch.nn.Identity(),
        epoch_length=config.steps,
        iteration_update=iterate,
        prepare_batch=lambda batch, *_, **__: batch,
    )
    trainer.state.epoch = done
    trainer.state.iteration = done * config.steps
    # The caller has its own progress display, and errors reach it as exceptions.
    trainer.logger.setLevel(logging.CRITICAL)
    events = SummaryWriter(str(folder / "tensorboard")) if processes.is_first else nullcontext()
    with events as writer:

        def begin(engine: Engine) -> None:
            stream.epoch = engine.state.epoch - 1
            for name in sums:
                sums[name] = 0.0

        def step(engine: Engine) -> None:
            if on_step is not None:
                on_step((engine.state.iteration - 1) % config.steps + 1, engine.state.epoch)

        def end(engine: Engine) -> None:
            processes.average_statistics(model)
            if writer is None:
                return
            means = {name: value / config.steps for name, value in sums.items()}
            for name, value in means.items():
                writer.add_scalar(f"train/{name}", value, engine.state.epoch)
            writer.flush()
            if means["diversity"] < COLLAPSED:
                log.warning(
                    "epoch %d: student features hardly depend on the query (diversity %.3f of the "
                    "teacher's): the student is collapsing; raise the teacher-student weight.",
                    engine.state.epoch,
                    means["diversity"],
                )
            _save_state(folder / STATE_FILE, engine.state.epoch, model, optimizer, schedule)
            nonlocal saved
            saved = engine.state.epoch
            if on_epoch is not None:
                on_epoch(engine.state.epoch, means)

        trainer.add_event_handler(Events.EPOCH_STARTED, begin)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, step)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, end)
        try:
            trainer.run()
        except KeyboardInterrupt as interrupt:
            raise CancelledError(
                f"stopped after epoch {saved}",
                "repeat the command to go on",
            ) from interrupt


def _schedule(
    config: TrainingConfig, optimizer: torch.optim.Optimizer
) -> torch.optim.lr_scheduler.LRScheduler:
    if config.one_cycle:
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.epochs * config.steps + 1
        )
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


def _check_initial(initial: D24FAD, config: TrainingConfig) -> str:
    """The hash of the weights that training begins with."""
    if initial.config != config.network:
        raise ConfigurationError(
            "the model to begin with has another architecture than the configuration asks for",
            "take the configuration's network from its model card.",
        )
    return state_hash(initial)


def _check_same_run(run: dict[str, Any], folder: Path) -> None:
    path = folder / CONFIG_FILE
    text = json.dumps(run, indent=2) + "\n"
    if path.is_file():
        if path.read_bytes() != text.encode():
            raise CheckpointError(
                f"{folder} holds a run with other settings or tasks",
                "give another --out, or the settings in its training_config.json to go on with it.",
            )
    else:
        write_text(path, text)


def _save_state(
    path: Path,
    epoch: int,
    model: D24FAD,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    state = {
        "epoch": epoch,
        "model": {k: v for k, v in model.state_dict().items() if not k.startswith("teacher.")},
        "optimizer": optimizer.state_dict(),
        "schedule": {
            key: value
            for key, value in schedule.state_dict().items()
            if isinstance(value, int | float | list | bool)
        },
    }
    content = io.BytesIO()
    torch.save(state, content)  # which does not raise `OSError` when a disk is full
    with whole_file(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def _load_state(
    path: Path,
    model: D24FAD,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> int:
    """Restore a stopped run; returns the number of epochs that it had done."""
    if not path.is_file():
        return 0
    remedy = "delete it to start the run again"
    state = read_torch_file(path, remedy)
    try:
        model.load_trained(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        return int(state["epoch"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit this run ({type(error).__name__}: {error})",
            f"{remedy}.",
        ) from error
