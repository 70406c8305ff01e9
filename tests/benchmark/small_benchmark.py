"""A benchmark that takes seconds: little tasks, a small student, two steps of training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from d24fad_core.benchmark.image_benchmark import ImageBenchmark, run_image_benchmark
from d24fad_core.benchmark.image_cells import CellSettings
from d24fad_core.benchmark.image_methods import choose_methods, default_methods
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.networks.d24fad import NetworkConfig
from d24fad_core.networks.student import StudentConfig
from d24fad_core.training.config import TrainingConfig
from tests.evaluation.small_tasks import write_task

NETWORK = NetworkConfig(student=StudentConfig(blocks=(1, 1, 1), widths=(16, 16, 16)))
TRAINING = TrainingConfig(network=NETWORK, epochs=1, steps=2, queries=3, shots=2)
PAPER = replace(
    TRAINING, network=replace(NETWORK, weighting="image"), per_position=False, stop_gradient=False
)
SETTINGS = CellSettings(shots=(2, 4), image_size=64)


def write_tasks(root: Path, names: Sequence[str] = ("discs", "plates")) -> Path:
    """Tasks of 9 normal images, and 4 normal and 4 abnormal ones for the test."""
    for name in names:
        write_task(root, name, train=9)
    return root


def plan(
    data: Path, out: Path, methods: Sequence[str] = ("default", "nearest_neighbour")
) -> ImageBenchmark:
    """One seed and two draws."""
    return ImageBenchmark(
        data=data,
        out=out,
        tasks=("discs", "plates"),
        held_out=("discs", "plates"),
        methods=choose_methods(methods, default_methods()),
        trainings={"default": TRAINING, "paper": PAPER},
        settings=SETTINGS,
        seeds=1,
        draws=2,
        network=NETWORK,
    )


def run(benchmark: ImageBenchmark) -> list[ImageScores]:
    """All scores."""
    *_, last = run_image_benchmark(benchmark)
    return last
