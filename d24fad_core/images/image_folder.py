"""Few-shot tasks as folders of images: TASK/train/good, TASK/test/good, TASK/test/ungood."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from d24fad_core.errors import InputError
from d24fad_core.io.damage import reporting_damage

BACKGROUND = 0.06
"""Mean of the channels up to which a pixel is background: black, with the noise of compression."""

_SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class ImageFolderTask:
    """The files of one task.

    Attributes:
        name: name of the task's folder.
        train_good: normal images to draw supports and training episodes from.
        test_good: normal images of the test.
        test_ungood: abnormal images of the test.
    """

    name: str
    train_good: tuple[Path, ...]
    test_good: tuple[Path, ...]
    test_ungood: tuple[Path, ...]


def find_task(root: Path, name: str) -> ImageFolderTask:
    """List a task's files.

    Raises:
        InputError: a folder is missing or has no JPEG or PNG image.
    """
    parts = ("train/good", "test/good", "test/ungood")
    return ImageFolderTask(name, *(_list_images(root / name / part, name) for part in parts))


def list_normals(root: Path, name: str) -> tuple[Path, ...]:
    """List a task's normal training images.

    Raises:
        InputError: the folder is missing or has no JPEG or PNG image.
    """
    return _list_images(root / name / "train" / "good", name)


def _list_images(folder: Path, task: str) -> tuple[Path, ...]:
    files = tuple(sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES))
    if not files:
        raise InputError(
            f"task '{task}': no JPEG or PNG image in {folder}",
            "the layout is ROOT/TASK/train/good, ROOT/TASK/test/good and ROOT/TASK/test/ungood.",
        )
    return files


def list_tasks(root: Path) -> list[str]:
    """Names of the folders under `root` that hold a train/good folder, sorted."""
    if not root.is_dir():
        raise InputError(f"no folder {root}", "give the folder that holds the tasks.")
    return sorted(path.name for path in root.iterdir() if (path / "train" / "good").is_dir())


def load_images(files: Sequence[Path], image_size: int) -> Tensor:
    """Read images as (B, 3, N, N) uint8 RGB, resized without keeping the aspect.

    Raises:
        InputError: a file is no readable image.
    """
    images = []
    for path in files:
        with reporting_damage(path, "JPEG or PNG image"), Image.open(path) as image:
            resized = _as_rgb(image).resize((image_size, image_size), Image.Resampling.BILINEAR)
            images.append(np.asarray(resized))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16-bit grey: converted as it is, everything above 255 would turn white.
        values = np.asarray(image, np.float32) / 257.0
        image = Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def to_unit(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]."""
    return images.float() / 255.0


def foreground(images: Tensor) -> Tensor:
    """Pixels that are not empty background, (B, N, N) bool; the whole image where all are empty.

    Args:
        images: (B, 3, N, N) in [0, 1].
    """
    inside = images.mean(dim=1) > BACKGROUND
    empty = ~inside.flatten(1).any(dim=1)
    return inside | empty[:, None, None]
