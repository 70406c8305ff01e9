"""`d24fad benchmark`: train without each task in turn, and measure on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from d24fad_core.cli.commands.train import Preset
from d24fad_core.cli.messages import progress_bar, say, spoken_warnings
from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.extras import extra

if TYPE_CHECKING:
    from d24fad_core.benchmark.image_methods import ScoredMethod

EPILOG = (
    "Example: `d24fad benchmark --data TASKS --shots 2 4 8 --seeds 3 --draws 5 --out results`. "
    "Repeat the command to go on after an interruption."
)


def benchmark(
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with TASK/train/good, TASK/test/good and TASK/test/ungood for each task.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the tables, and for features, students and scores to go on from.",
            show_default=False,
        ),
    ],
    shots: Annotated[
        list[str] | None,
        typer.Option(
            metavar="K",
            help="Support images; several may follow, or stand with commas between.",
            show_default="2 4 8",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each held-out task.")] = 3,
    draws: Annotated[int, typer.Option(min=1, help="Draws of support images.")] = 5,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            help="Tasks to measure on; students are trained on all others of --data. Two commands "
            "with different tasks and one --out share the work.",
            show_default="all of --data",
        ),
    ] = None,
    preset: Annotated[
        list[Preset] | None,
        typer.Option(
            help="How students are trained; both may be given. 'paper' is training as published.",
            show_default="default",
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METHOD",
            help="Methods to measure.",
            show_default="all that the presets allow",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Training steps in all.", show_default="of the preset"),
    ] = None,
    image_size: Annotated[int, typer.Option(min=32, help="Pixels a side, a multiple of 32.")] = 128,
    teacher: Annotated[
        str | None,
        typer.Option(help="Teacher to use in every preset.", show_default="of the preset"),
    ] = None,
    teacher_weights: Annotated[
        Path | None,
        typer.Option(help="File with the teacher's weights.", show_default=False),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Device of teacher and training, such as cpu or cuda.")
    ] = "cpu",
) -> None:
    """Measure dual distillation on image tasks, each left out of training.

    For every task a student is trained on the normal images of the other tasks; then the task's
    test images are scored with a few of its normal images as support, with and without the student
    and by nearest neighbour in the teacher's features, on the same draws. No test image, label or
    statistic of the test enters a score or a choice.
    """
    with extra("train,evaluate", "d24fad benchmark"):
        from d24fad_core.benchmark.image_benchmark import ImageBenchmark, run_image_benchmark
        from d24fad_core.benchmark.image_cells import CellSettings
        from d24fad_core.benchmark.image_report import (
            TABLE_FILE,
            write_configuration,
            write_report,
        )
    from d24fad_core.images.image_folder import list_tasks
    from d24fad_core.training.config import preset_training

    names = list_tasks(data)
    trainings = {
        choice.value: preset_training(choice.value, steps, image_size, teacher)
        for choice in dict.fromkeys(preset or [Preset.DEFAULT])
    }
    plan = ImageBenchmark(
        data=data,
        out=out,
        tasks=tuple(names),
        held_out=_held_out(data, names, _values(tasks)),
        methods=_methods(_values(methods), tuple(trainings)),
        trainings=trainings,
        settings=CellSettings(shots=_shots(_values(shots)), image_size=image_size),
        seeds=seeds,
        draws=draws,
        network=next(iter(trainings.values())).network,
        device=device,
        teacher_weights=teacher_weights,
    )
    with spoken_warnings(), progress_bar("benchmark") as report:
        for scores in run_image_benchmark(plan, report):
            # Written again after each seed, so that there is something to look at early.
            write_report(scores, out)
            write_configuration(plan, out)
    say(f"wrote {out / TABLE_FILE}")


def _values(texts: list[str] | None) -> list[str]:
    """Values of an option that takes several, each of which may hold commas."""
    return [part.strip() for value in texts or [] for part in value.split(",") if part.strip()]


def _shots(texts: list[str]) -> tuple[int, ...]:
    counts = []
    for value in texts or ["2", "4", "8"]:
        if not value.isdecimal() or int(value) < 2:
            raise ConfigurationError(
                f"--shots {value} cannot be used",
                "give whole numbers from 2.",
            )
        counts.append(int(value))
    return tuple(sorted(set(counts)))


def _held_out(data: Path, present: list[str], names: list[str]) -> tuple[str, ...]:
    for name in names:
        if name not in present:
            raise InputError(
                f"no task '{name}' under {data}; there are {', '.join(present) or 'none'}.",
                "Name one of these.",
            )
    if not present:
        raise InputError(f"no task under {data}", "the layout is ROOT/TASK/train/good and so on.")
    return tuple(dict.fromkeys(names or present))


def _methods(names: list[str], presets: tuple[str, ...]) -> "tuple[ScoredMethod, ...]":
    from d24fad_core.benchmark.image_methods import choose_methods, default_methods

    choice = choose_methods(names, default_methods())
    if names:
        return choice
    return tuple(method for method in choice if method.training in (None, *presets))
