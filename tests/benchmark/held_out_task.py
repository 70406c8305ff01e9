"""A little task as the teacher sees it, and the networks that score it."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from d24fad_core.benchmark.image_cells import HeldOutTask, draw_supports
from d24fad_core.images.image_folder import (
    ImageFolderTask,
    foreground,
    load_images,
    to_unit,
)
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.training.episodes import EmbeddedImages
from d24fad_core.training.feature_store import FeatureStore
from tests.benchmark.small_benchmark import PAPER, SETTINGS

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
