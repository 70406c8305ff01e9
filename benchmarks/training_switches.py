"""`python -m benchmarks.training_switches --data TASKS --out OUT`: what each switch is worth.

For every switch students are trained without each task in turn, with that switch changed and all
else as in the default, and measured on the task. Repeat the command to go on. The figures describe;
nothing was chosen by them.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.image_tasks.cells import score_draw
from benchmarks.image_tasks.methods import Pooling, Variant, variants
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.benchmark.image_benchmark import ImageBenchmark, run_image_benchmark
from d24fad_core.benchmark.image_cells import CellSettings
from d24fad_core.benchmark.image_methods import choose_methods
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.evaluation.metrics import auroc
from d24fad_core.files import write_text
from d24fad_core.images.image_folder import list_tasks
from d24fad_core.networks.d24fad import NetworkConfig
from d24fad_core.training.config import TrainingConfig

SHOTS = 4
_STEPS_AN_EPOCH = 100
_FOREGROUND = (Pooling("", 1.0, foreground=True),)
_MAPS = ("default", "residual", "teacher_student", "self_distillation")


def switches(steps: int) -> dict[str, TrainingConfig]:
    """The default, and variants that differ from it by what their name says.

    Args:
        steps: of each training.
    """
    base = replace(TrainingConfig(), epochs=-(-steps // _STEPS_AN_EPOCH), steps=_STEPS_AN_EPOCH)
    by_image = replace(base, network=_by_image(base.network), per_position=False)
    return {
        "default": base,
        "gradient into both sides": replace(base, stop_gradient=False),
        "teacher-student weight 0.1": replace(base, tsd_weight=0.1),
        "paper's losses (both sides, 0.1)": replace(base, stop_gradient=False, tsd_weight=0.1),
        "no self-distillation": replace(base, ssd_weight=0.0),
        "one weight an image": by_image,
        "one weight an image, normalised logits": replace(
            by_image, network=_by_image(base.network, normalised_logits=True)
        ),
        "flattened cosine": replace(base, per_position=False),
        "teacher-student warm-up of 0.3": replace(base, tsd_warm_up=0.3),
        "no mirror images": replace(base, horizontal_flip=False),
        "teacher-student weight 10": replace(base, tsd_weight=10.0),
        "constant learning rate": replace(base, one_cycle=False),
    }


def _by_image(network: NetworkConfig, *, normalised_logits: bool = False) -> NetworkConfig:
    return replace(network, weighting="image", normalised_logits=normalised_logits)


def main() -> None:
    """Train, measure and write the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_switches", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of image tasks")
    parser.add_argument("--out", type=Path, required=True, help="folder for students and table")
    parser.add_argument("--steps", type=int, default=300, help="steps of each training")
    parser.add_argument("--draws", type=int, default=2, help="draws of support images")
    arguments = parser.parse_args()
    trainings = {_folder_name(name): one for name, one in switches(arguments.steps).items()}
    tasks = tuple(list_tasks(arguments.data))
    plan = ImageBenchmark(
        data=arguments.data,
        out=arguments.out,
        tasks=tasks,
        held_out=tasks,
        methods=tuple(method for name in trainings for method in _methods(name)),
        trainings=trainings,
        settings=CellSettings((SHOTS,), TrainingConfig().image_size),
        seeds=1,
        draws=arguments.draws,
        network=TrainingConfig().network,
    )
    for scores in run_image_benchmark(plan, scorer=score_draw):
        text = table(scores, switches(arguments.steps), arguments.out)
        write_text(arguments.out / "switches.md", text)
        print(text, flush=True)


def table(scores: Sequence[ImageScores], named: Mapping[str, TrainingConfig], out: Path) -> str:
    """As Markdown: mean AUROC of the tasks for each map, and the student's diversity.

    Args:
        scores: of every method so far.
        named: the switches.
        out: where the students' training was recorded.
    """
    first = next(iter(named.values()))
    lines = [
        f"{RESEARCH_USE_ONLY} Mean image AUROC of the held-out tasks, {SHOTS} shots, "
        f"{first.epochs * first.steps} steps, one seed; every map pooled over the foreground.",
        "",
        "| switch | default | residual | teacher-student | self-distillation | diversity |",
        "|---|---|---|---|---|---|",
    ]
    for name in named:
        folder = _folder_name(name)
        values = [_mean_auroc(scores, f"{kind}@{folder}") for kind in _MAPS]
        if any(value is not None for value in values):
            cells = ["" if value is None else f"{value:.3f}" for value in values]
            lines.append(f"| {name} | {' | '.join(cells)} | {_diversity(out, folder):.2f} |")
    return "\n".join(lines) + "\n"


def _methods(training: str) -> list[Variant]:
    return [
        replace(
            method,
            name=f"{method.name}@{training}",
            training=training,
            poolings=method.poolings and _FOREGROUND,
            official=False,
        )
        for method in choose_methods(_MAPS, variants())
    ]


def _mean_auroc(scores: Sequence[ImageScores], method: str) -> float | None:
    runs = [auroc(one.labels, one.scores) for one in scores if one.method == method]
    return float(np.mean(runs)) if runs else None


def _diversity(out: Path, folder: str) -> float:
    """Of the last epoch, mean of the held-out tasks' students."""
    values = []
    for student in sorted((out / "students" / folder).iterdir()):
        events: Any = EventAccumulator(str(student / "tensorboard"))
        events.Reload()
        values.append(events.Scalars("train/diversity")[-1].value)
    return float(np.mean(values))


def _folder_name(name: str) -> str:
    words = "".join(letter if letter.isalnum() or letter == "." else " " for letter in name)
    return "_".join(words.split())


if __name__ == "__main__":
    main()
