"""`python -m benchmarks.paper_epochs --data TASKS --out OUT`: what choosing an epoch is worth.

The paper's training, its losses and one weight per support image, with the small teacher. After
every epoch the held-out task is scored by both protocols; the published figure is the best epoch
by the test set, the honest one the last. Repeat the command to go on.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.image_tasks.cells import score_draw
from benchmarks.image_tasks.methods import variants
from benchmarks.image_tasks.official import OFFICIAL
from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.benchmark.image_benchmark import without_training
from d24fad_core.benchmark.image_cells import (
    CellSettings,
    HeldOutTask,
    draw_supports,
    image_features,
)
from d24fad_core.benchmark.image_methods import choose_methods
from d24fad_core.evaluation.image_scores import CORRECTED
from d24fad_core.evaluation.metrics import auroc
from d24fad_core.files import hash_bytes, write_text
from d24fad_core.images.image_folder import find_task, list_tasks
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.torch_file import read_torch_file
from d24fad_core.training.config import PAPER_TRAINING, TrainingConfig
from d24fad_core.training.feature_episodes import FeatureEpisodes
from d24fad_core.training.feature_store import FeatureStore
from d24fad_core.training.held_out import NormalImages, train_without
from d24fad_core.training.trainer import STATE_FILE

SHOTS = 4
_TEACHER = "efficientnet_lite0"

Aurocs = dict[str, float]
"""AUROC of the held-out task by protocol."""


def main() -> None:
    """Train, score every epoch and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper_epochs", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of image tasks")
    parser.add_argument("--out", type=Path, required=True, help="folder for students and table")
    parser.add_argument("--epochs", type=int, default=8, help="epochs, each scored")
    parser.add_argument("--steps", type=int, default=60, help="steps an epoch")
    arguments = parser.parse_args()
    config = replace(
        PAPER_TRAINING,
        network=replace(PAPER_TRAINING.network, teacher=_TEACHER),
        epochs=arguments.epochs,
        steps=arguments.steps,
    )
    tasks = list_tasks(arguments.data)
    store = FeatureStore(
        arguments.out / "features", without_training(config.network), config.image_size
    )
    normals, tests = {}, {}
    for name in tasks:
        files = find_task(arguments.data, name)
        train = store.features(f"{name}/train_good", files.train_good)
        normals[name] = NormalImages(FeatureEpisodes(name, train.images), train.key)
        every = (*files.test_good, *files.test_ungood)
        test = store.features(f"{name}/test", every)
        size = (config.image_size, config.image_size)
        tests[name] = HeldOutTask(
            name=name,
            train=train.images,
            test=test.images,
            # The paper's score is the maximum of the whole map.
            train_foreground=torch.ones(len(files.train_good), *size, dtype=torch.bool),
            test_foreground=torch.ones(len(every), *size, dtype=torch.bool),
            names=tuple(f"{path.parent.name}/{path.name}" for path in every),
            labels=(0,) * len(files.test_good) + (1,) * len(files.test_ungood),
            key=hash_bytes(train.key.encode(), test.key.encode()),
        )
    aurocs = {}
    for name in tasks:
        folder = arguments.out / "students" / name
        epochs = folder / "epochs"
        train_without(name, normals, config, folder, on_epoch=_scorer(config, tests[name], folder))
        aurocs[name] = [
            json.loads((epochs / f"{epoch}.json").read_text(encoding="utf-8"))
            for epoch in range(1, config.epochs + 1)
        ]
        text = table(aurocs, config)
        write_text(arguments.out / "paper_epochs.md", text)
        print(text, flush=True)


def _scorer(
    config: TrainingConfig, task: HeldOutTask, folder: Path
) -> Callable[[int, dict[str, float]], None]:
    """Scores the student as each epoch leaves it."""

    def score(epoch: int, _losses: dict[str, float]) -> None:
        state = read_torch_file(folder / STATE_FILE, "delete it to start the run again")
        model = D24FAD(config.network, build_teacher(config.network.teacher)).eval()
        model.load_state_dict(state["model"], strict=False)
        model.requires_grad_(False)
        write_text(folder / "epochs" / f"{epoch}.json", json.dumps(_aurocs(model, task, config)))

    return score


def _aurocs(model: D24FAD, task: HeldOutTask, config: TrainingConfig) -> Aurocs:
    settings = CellSettings((SHOTS,), config.image_size, (CORRECTED, OFFICIAL))
    indices = torch.from_numpy(draw_supports(len(task.train.embedding), settings.shots, 0, 0))
    scored = score_draw(
        model,
        choose_methods(("paper",), variants()),
        task,
        image_features(model, task.test, task.test_foreground, student=True),
        image_features(
            model, task.train.choose(indices), task.train_foreground[indices], student=True
        ),
        settings,
        seed=config.seed,
        draw=0,
    )
    return {one.protocol: auroc(one.labels, one.scores) for one in scored["paper"]}


def table(aurocs: Mapping[str, Sequence[Aurocs]], config: TrainingConfig) -> str:
    """As Markdown.

    Args:
        aurocs: AUROCs of every epoch, by task.
        config: how the students were trained.
    """
    lines = [
        f"{RESEARCH_USE_ONLY} The paper's training with {config.network.teacher}, {config.epochs} "
        f"epochs of {config.steps} steps, {SHOTS} shots, one draw, one seed.",
        "",
        "| task | last epoch, corrected | last epoch, official | best epoch, official |",
        "|---|---|---|---|",
    ]
    rows = {
        name: (epochs[-1][CORRECTED], epochs[-1][OFFICIAL], max(one[OFFICIAL] for one in epochs))
        for name, epochs in aurocs.items()
    }
    mean = tuple(float(value) for value in np.mean(list(rows.values()), axis=0))
    for name, values in {**rows, "mean": mean}.items():
        lines.append(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
