"""`python -m benchmarks.image_tasks --data TASKS --out OUT`: the tables on images in BENCHMARK.md.

`d24fad benchmark` with more: every variant and pooling, on request the published protocol, which
of them would have been chosen without a task, paired differences, pictures. Repeat the command to
go on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.image_tasks.cells import score_draw
from benchmarks.image_tasks.methods import Variant, variants
from benchmarks.image_tasks.official import OFFICIAL
from benchmarks.image_tasks.report import write_report
from d24fad_core.benchmark.image_benchmark import ImageBenchmark, run_image_benchmark
from d24fad_core.benchmark.image_cells import CellSettings
from d24fad_core.benchmark.image_methods import choose_methods
from d24fad_core.benchmark.image_report import TABLE_FILE, write_configuration
from d24fad_core.evaluation.image_scores import CORRECTED
from d24fad_core.images.image_folder import list_tasks
from d24fad_core.training.config import PRESETS, preset_training


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, score and write the tables; they are written again after each seed.

    Args:
        arguments: of the command line; None takes those of the process.
    """
    plan = benchmark_of(_parser().parse_args(arguments))
    for scores in run_image_benchmark(plan, scorer=score_draw):
        write_report(scores, plan.out)
        write_configuration(plan, plan.out)
        print(f"wrote {plan.out / TABLE_FILE}", flush=True)


def benchmark_of(arguments: argparse.Namespace) -> ImageBenchmark:
    """What the arguments ask for.

    Raises:
        ConfigurationError: a method is unknown, or needs a preset that is not there.
        InputError: there is one task only.
    """
    trainings = {
        name: preset_training(name, arguments.steps, arguments.image_size, arguments.teacher)
        for name in arguments.preset
    }
    tasks = tuple(list_tasks(arguments.data))
    return ImageBenchmark(
        data=arguments.data,
        out=arguments.out,
        tasks=tasks,
        held_out=tuple(arguments.tasks or tasks),
        methods=_methods(arguments.methods, tuple(trainings), arguments.protocol),
        trainings=trainings,
        settings=CellSettings(
            tuple(sorted(set(arguments.shots))),
            arguments.image_size,
            (CORRECTED,) if arguments.protocol == CORRECTED else (CORRECTED, OFFICIAL),
        ),
        seeds=arguments.seeds,
        draws=arguments.draws,
        network=next(iter(trainings.values())).network,
        device=arguments.device,
        teacher_weights=arguments.teacher_weights,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image_tasks", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of image tasks")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and pictures")
    parser.add_argument(
        "--protocol",
        choices=(CORRECTED, OFFICIAL, "both"),
        default=CORRECTED,
        help="'official' adds the published protocol on the same maps, and leaves out variants "
        "that it does not fit; 'both' takes all variants",
    )
    parser.add_argument("--shots", type=int, nargs="+", default=(2, 4, 8), help="support images")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each held-out task")
    parser.add_argument("--draws", type=int, default=5, help="draws of support images")
    parser.add_argument("--tasks", nargs="+", help="tasks to measure on; all of --data")
    parser.add_argument("--preset", nargs="+", choices=PRESETS, default=("default",))
    parser.add_argument("--methods", nargs="+", default=(), help="variants; all that presets allow")
    parser.add_argument("--steps", type=int, help="training steps in all")
    parser.add_argument("--image-size", type=int, default=128, help="pixels a side")
    parser.add_argument("--teacher", help="teacher to use in every preset")
    parser.add_argument("--teacher-weights", type=Path, help="file with the teacher's weights")
    parser.add_argument("--device", default="cpu", help="of teacher and training")
    return parser


def _methods(names: Sequence[str], presets: tuple[str, ...], protocol: str) -> tuple[Variant, ...]:
    choice = choose_methods(names, variants())
    if names:
        return choice
    return tuple(
        method
        for method in choice
        if method.training in (None, *presets) and (method.official or protocol != OFFICIAL)
    )


if __name__ == "__main__":
    main()
