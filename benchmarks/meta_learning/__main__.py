"""`python -m benchmarks.meta_learning --data TASKS --out OUT`: what learning the comparison from
synthetic anomalies is worth.

For each task in turn, weights of the maps and metrics of the teacher's features are learnt on
anomalies pasted into the normal images of the *other* tasks, and measured on the task with the
benchmark's draws of support images. Repeat the command to go on. With `--students`, the folder
OUT/students/default of `d24fad benchmark`, the student's maps take part.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.meta_learning.cells import OWN, REAL, TEST, HeldOutCells, Variant
from benchmarks.meta_learning.data import load_task
from benchmarks.meta_learning.fusion import DEFAULT, NEAREST_NEIGHBOUR, FusionConfig
from benchmarks.meta_learning.metric import MetricConfig
from benchmarks.meta_learning.table import table
from d24fad_core.benchmark.image_benchmark import without_training
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.files import write_text
from d24fad_core.images.image_folder import list_tasks
from d24fad_core.training.config import TrainingConfig

_PASTED = 420


def variants(*, student: bool) -> tuple[Variant, ...]:
    """All rows of the table, the fixed ones first.

    Args:
        student: whether there are students.
    """
    weights = FusionConfig(pixels=False, poolings=1, pull=0.1)
    loose, pixels = replace(weights, pull=0.001), replace(weights, pixels=True)
    projection = MetricConfig(mixing=True, pull=0.01)
    channels = replace(projection, mixing=False)
    with_student = (
        Variant("default", DEFAULT),
        Variant("weights of all maps, pull 0.1", replace(weights, student=True)),
        Variant("weights of all maps, pull 0.001", replace(loose, student=True)),
    )
    return (
        Variant("nearest neighbour", NEAREST_NEIGHBOUR),
        Variant("default without student", replace(DEFAULT, student=False)),
        *(with_student if student else ()),
        Variant("weights, pull 1", replace(weights, pull=1.0)),
        Variant("weights, pull 0.1", weights),
        Variant("weights, pull 0.001", loose),
        Variant("weights and pooling, pull 0.1", replace(weights, poolings=3)),
        Variant("weights and pooling, pull 0.001", replace(loose, poolings=3)),
        Variant("weights by pixels, pull 0.1", pixels),
        Variant("weights by pixels, pull 0.001", replace(pixels, pull=0.001)),
        Variant("projection, pull 0.01", projection),
        Variant("weight a channel, pull 0.001", replace(channels, pull=0.001)),
        Variant("projection by images, pull 0.01", replace(projection, image=1.0)),
        Variant("projection by pixels, pull 0.01", replace(projection, image=0.0)),
        Variant("weight a channel, pull 0.01", channels),
        Variant("weights, pull 0.1, from its own normals", weights, OWN),
        Variant("projection, pull 0.01, from its own normals", projection, OWN),
        Variant("weights, pull 0.1, from the others' real anomalies", weights, REAL),
        Variant("weights, pull 0.001, from the others' real anomalies", loose, REAL),
        Variant("weights, pull 0.001, fitted to the very test", loose, TEST),
    )


def main() -> None:
    """Learn, measure and write the table after each step."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.meta_learning", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of image tasks")
    parser.add_argument("--out", type=Path, required=True, help="folder for features and scores")
    parser.add_argument("--students", type=Path, help="folder of TASK_seed0/checkpoint")
    parser.add_argument("--draws", type=int, default=5, help="draws of support images")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names, teacher = list_tasks(arguments.data), without_training(TrainingConfig().network)
    tasks = [
        load_task(arguments.data, arguments.out, teacher, names, name, _PASTED) for name in names
    ]
    cells = HeldOutCells(tasks, teacher, arguments.students, arguments.out, arguments.draws)
    rows = variants(student=arguments.students is not None)
    results: list[ImageScores] = []
    # Metrics take longest, and each is a row of its own.
    metrics = [variant for variant in rows if isinstance(variant.learnt, MetricConfig)]
    weights = [variant for variant in rows if variant not in metrics]
    for together in (weights, *([metric] for metric in metrics)):
        for held_out in range(len(tasks)):
            for variant in together:
                results += cells.scores(variant, held_out)
        text = table(results, rows)
        write_text(arguments.out / "meta_learning.md", text)
        print(text, flush=True)


if __name__ == "__main__":
    main()
