"""`d24fad train`: meta-train a student on normal images and volumes."""

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from d24fad_core.cli.messages import say
from d24fad_core.cli.options.paths import check_checkpoint, check_exists
from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.extras import extra
from d24fad_core.volumes.volume import Modality, Plane


class Preset(str, Enum):
    """Named training configurations."""

    DEFAULT = "default"
    PAPER = "paper"


def train(
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the run: state, TensorBoard events and, at the end, checkpoint/. "
            "Repeat the command to go on with a stopped run.",
            show_default=False,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of image tasks, ROOT/TASK/train/good/*.jpg or .png; every task is used "
            "unless --task names some.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="An image task to train on; repeat for several.", show_default=False),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="An image task to leave out, for a fair test on it.", show_default=False),
    ] = None,
    volumes: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder of at least 3 normal volumes of one kind; repeat for several.",
            show_default=False,
        ),
    ] = None,
    modality: Annotated[
        Modality | None,
        typer.Option(help="What the volumes are, where the files do not say.", show_default=False),
    ] = None,
    window: Annotated[str, typer.Option(help="Named window for CT volumes.")] = "body",
    name: Annotated[str, typer.Option(help="Name of the model on its card.")] = "d24fad",
    preset: Annotated[
        Preset,
        typer.Option(help="'default', or 'paper' for training as published (needs its teacher)."),
    ] = Preset.DEFAULT,
    initial: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a checkpoint whose student goes on learning; its architecture, image "
            "size and scoring are kept. Without it, training begins with random weights.",
            show_default=False,
        ),
    ] = None,
    teacher_weights: Annotated[
        Path | None,
        typer.Option(
            help="File with the teacher's ImageNet weights (.safetensors or a plain .pth), where "
            "they cannot be downloaded.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs in all.", show_default="of the preset")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Episodes an epoch.", show_default="of the preset")
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(min=1, help="Support images an episode.", show_default="of the preset"),
    ] = None,
    queries: Annotated[
        int | None,
        typer.Option(min=1, help="Query images an episode.", show_default="of the preset"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and episodes.")] = 0,
    device: Annotated[str, typer.Option(help="Device, such as cpu or cuda.")] = "cpu",
) -> None:
    """Train a student on normal images and volumes; no lesion is ever seen.

    Each episode takes a few normal images of one task as queries and a few others as support. The
    result is OUT/checkpoint, for --checkpoint of the other commands. Watch the losses with
    `tensorboard --logdir OUT/tensorboard`.
    """
    check_exists(images, *(volumes or []), teacher_weights)
    check_checkpoint(initial)
    from d24fad_core.comparison.scoring import ScoringConfig, default_image_scoring
    from d24fad_core.models.checkpoint import ModelCard, load_checkpoint
    from d24fad_core.training.config import PRESETS
    from d24fad_core.training.episodes import EpisodeSource, ImageEpisodes, VolumeEpisodes

    with extra("train", "d24fad train"):
        from d24fad_core.training.trainer import train as run_training

    base = PRESETS[preset.value]
    if initial is None:
        model = None
        card = ModelCard(
            name,
            base.network,
            base.image_size,
            ScoringConfig().to_dict(),
            default_image_scoring().to_dict(),
        )
    else:
        model, former = load_checkpoint(initial, teacher_weights)
        history = {"weights_hash": former.weights_hash, **former.training}
        card = replace(former, name=name, training={"continued_from": history}, metrics={})
    config = replace(
        base,
        network=card.network,
        image_size=card.image_size,
        seed=seed,
        epochs=epochs or base.epochs,
        steps=steps or base.steps,
        shots=shots or base.shots,
        queries=queries or base.queries,
    )
    sources: list[EpisodeSource] = []
    console = Console(stderr=True)
    with console.status("reading the normal images"):
        for task_name, files in _tasks(images, task, leave_out):
            sources.append(ImageEpisodes.from_files(task_name, files, config.image_size))
    from d24fad_core.cli.cases.studies import read_study
    from d24fad_core.io.reading import find_studies

    for folder in volumes or []:
        with console.status(f"aligning the volumes of {folder}"):
            studies = [read_study(path, modality) for path in find_studies(folder)]
            sources.append(
                VolumeEpisodes.from_studies(
                    folder.name, studies, Plane.AXIAL, config.image_size, window
                )
            )
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        row = bar.add_task("training", total=config.epochs * config.steps)

        def on_step(step: int, epoch: int) -> None:
            bar.update(row, completed=(epoch - 1) * config.steps + step)

        def on_epoch(epoch: int, means: dict[str, float]) -> None:
            bar.console.print(
                f"epoch {epoch}/{config.epochs}: TSD {means['tsd']:.4f}, SSD {means['ssd']:.4f}, "
                f"diversity {means['diversity']:.2f}"
            )

        run_training(
            config,
            sources,
            out,
            card,
            initial=model,
            device=device,
            teacher_weights=teacher_weights,
            on_step=on_step,
            on_epoch=on_epoch,
        )
    say(f"wrote {out / 'checkpoint'}")


def _tasks(
    images: Path | None, task: list[str] | None, leave_out: list[str] | None
) -> list[tuple[str, tuple[Path, ...]]]:
    """The chosen tasks with their normal training images."""
    from d24fad_core.images.image_folder import list_normals, list_tasks

    if images is None:
        if task or leave_out:
            raise ConfigurationError("--task and --leave-out choose among --images", "give it too.")
        return []
    present = list_tasks(images)
    for task_name in [*(task or []), *(leave_out or [])]:
        if task_name not in present:
            raise InputError(
                f"no task '{task_name}' under {images}; there are {', '.join(present) or 'none'}.",
                "Name one of these.",
            )
    selection = [name for name in (task or present) if name not in (leave_out or [])]
    return [(name, list_normals(images, name)) for name in selection]
