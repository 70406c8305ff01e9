"""A little task as the teacher sees it, networks that score it, and what holds of the scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from d24fad_core.benchmark.image_benchmark import DrawScorer
from d24fad_core.benchmark.image_cells import (
    CellSettings,
    HeldOutTask,
    draw_supports,
    image_features,
)
from d24fad_core.benchmark.image_methods import Method
from d24fad_core.evaluation.image_scores import CORRECTED, ImageScores
from d24fad_core.images.image_folder import (
    ImageFolderTask,
    foreground,
    load_images,
    to_unit,
)
from d24fad_core.images.paper_scorer import PaperScorer
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.training.episodes import EmbeddedImages
from d24fad_core.training.feature_store import FeatureStore
from tests.benchmark.small_benchmark import PAPER, SETTINGS

Cells = dict[tuple[str, str, int], ImageScores]

DRAW = draw_supports(10, SETTINGS.shots, 0, 0)
"""The support images of a task with ten normal ones."""


def paper_network() -> D24FAD:
    """One weight per support image, untrained."""
    torch.manual_seed(0)
    network = PAPER.network
    return D24FAD(network, build_teacher(network.teacher)).eval().requires_grad_(False)


def held_out_task(model: D24FAD, files: ImageFolderTask, folder: Path) -> HeldOutTask:
    """The task of `files`, with 9 normal and 8 abnormal test images."""
    store = FeatureStore(folder / "features", model, 64)
    tests = (*files.test_good, *files.test_ungood)
    return HeldOutTask(
        name="discs",
        train=store.features("train", files.train_good).images,
        test=store.features("test", tests).images,
        train_foreground=foreground(to_unit(load_images(files.train_good, 64))),
        test_foreground=foreground(to_unit(load_images(tests, 64))),
        names=tuple(f"{path.parent.name}/{path.name}" for path in tests),
        labels=(0,) * 9 + (1,) * 8,
        key="content",
    )


def rows(images: EmbeddedImages, indices: NDArray[np.int64]) -> EmbeddedImages:
    """Some of the images, in another order."""
    return images.choose(torch.from_numpy(indices))


def scores_by_cell(
    scorer: DrawScorer,
    model: D24FAD,
    task: HeldOutTask,
    methods: Sequence[Method],
    settings: CellSettings = SETTINGS,
) -> Cells:
    """Scores by method, protocol and shots."""
    scores = scorer(
        model,
        methods,
        task,
        image_features(model, task.test, task.test_foreground, student=True),
        image_features(model, rows(task.train, DRAW), task.train_foreground[DRAW], student=True),
        settings,
        seed=0,
        draw=0,
    )
    return {(one.method, one.protocol, one.shots): one for each in scores.values() for one in each}


def assert_same_as_the_papers_scorer(cells: Cells, model: D24FAD, files: ImageFolderTask) -> None:
    """The cells of the method "paper" against scores of the images themselves."""
    tests = to_unit(load_images([*files.test_good, *files.test_ungood], 64))
    for shots in SETTINGS.shots:
        support = [files.train_good[index] for index in DRAW[:shots]]
        theirs = PaperScorer(model, to_unit(load_images(support, 64))).scores(tests)
        scores = torch.tensor(cells["paper", CORRECTED, shots].scores)
        # Features are kept as float16.
        torch.testing.assert_close(scores, theirs, rtol=5e-3, atol=1e-5)


def assert_same_in_any_company(
    scorer: DrawScorer, model: D24FAD, task: HeldOutTask, methods: Sequence[Method]
) -> None:
    """An image has one score, whichever images are scored beside it."""
    together = scores_by_cell(scorer, model, task, methods)
    some = np.array([16, 3, 8])
    fewer = replace(
        task,
        test=rows(task.test, some),
        test_foreground=task.test_foreground[some],
        names=tuple(task.names[index] for index in some),
        labels=tuple(task.labels[index] for index in some),
    )
    for key, cell in scores_by_cell(scorer, model, fewer, methods).items():
        assert cell.scores == tuple(together[key].scores[index] for index in some), key


def assert_same_alone(
    scorer: DrawScorer, model: D24FAD, task: HeldOutTask, methods: Sequence[Method]
) -> None:
    """A method has one score, whichever methods and shots are scored beside it."""
    together = scores_by_cell(scorer, model, task, methods)
    for method in methods:
        alone = scores_by_cell(scorer, model, task, (method,), replace(SETTINGS, shots=(4,)))
        for key, cell in alone.items():
            assert cell.scores == together[key].scores, key
