"""Little image tasks: normal pictures show a disc, abnormal ones a disc with a bright square."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64
SQUARE = (slice(20, 32), slice(34, 46))
"""Where the abnormal pictures are abnormal."""


def disc(seed: int, abnormal: bool = False) -> NDArray[np.uint8]:
    """A grey disc at a fixed place, with noise, (64, 64, 3)."""
    rows, columns = np.indices((SIDE, SIDE))
    picture = np.where(np.hypot(rows - 32, columns - 32) < 24, 120.0, 20.0)
    if abnormal:
        picture[SQUARE] = 230.0
    picture += np.random.default_rng(seed).normal(0, 6, picture.shape)
    return np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def write_task(
    root: Path, name: str = "discs", train: int = 8, good: int = 4, bad: int = 4
) -> Path:
    """Write a task in the layout ROOT/TASK/train/good, test/good, test/ungood; returns ROOT."""
    parts = {"train/good": train, "test/good": good, "test/ungood": bad}
    for number, (part, count) in enumerate(parts.items()):
        folder = root / name / part
        folder.mkdir(parents=True)
        for index in range(count):
            picture = disc(100 * number + index, abnormal=part.endswith("ungood"))
            Image.fromarray(picture).save(folder / f"{index:02}.png")
    return root
