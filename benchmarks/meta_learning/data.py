"""Normal, pasted and test images of the tasks as the teacher sees them, and tables of their pooled
distances to support sets, for `benchmarks.meta_learning`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.meta_learning.anomalies import EFFECTS, paste_anomaly
from benchmarks.meta_learning.maps import (
    GRID,
    STUDENT_KEYS,
    Compared,
    MapKey,
    at_grid,
    compared,
    distance_maps,
    normal_units,
    pooled_maps,
)
from d24fad_core.benchmark.image_cells import draw_supports
from d24fad_core.comparison.features import SliceFeatures
from d24fad_core.comparison.scoring import default_image_scoring
from d24fad_core.files import whole_file
from d24fad_core.images.alignment import misalignment
from d24fad_core.images.image_folder import (
    ImageFolderTask,
    find_task,
    foreground,
    load_images,
    to_unit,
)
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.training.feature_store import FeatureStore

IMAGE_SIZE = 128
SHOTS = 4
_CHUNK = 32


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Some images of a task.

    Attributes:
        features: the teacher's, (B, C, H, W) a scale, float16.
        embedding: what the student predicts from, (B, C, H, W).
        foreground: (B, N, N) bool.
    """

    features: tuple[Tensor, ...]
    embedding: Tensor
    foreground: Tensor

    def __len__(self) -> int:
        return len(self.foreground)

    def __getitem__(self, rows: Tensor | slice) -> "ImageSet":
        """Some of the images."""
        features = tuple(values[rows] for values in self.features)
        return ImageSet(features, self.embedding[rows], self.foreground[rows])

    def __add__(self, other: "ImageSet") -> "ImageSet":
        """These images, then the others."""
        pairs = zip(self.features, other.features, strict=True)
        return ImageSet(
            tuple(torch.cat(pair) for pair in pairs),
            torch.cat([self.embedding, other.embedding]),
            torch.cat([self.foreground, other.foreground]),
        )


@dataclass(frozen=True, eq=False)
class MetaTask:
    """A task.

    Attributes:
        name: its name.
        normals: normal training images.
        pasted: the same with pasted anomalies.
        masks: (B, N, N) bool, where these are.
        source: (B,) index of the normal image that was pasted into.
        foreign: (B,) index of the task that was pasted from; -1 where none was.
        test: test images; looked at only while the task is held out.
        names: of the test images.
        labels: of the test images.
    """

    name: str
    normals: ImageSet
    pasted: ImageSet
    masks: Tensor
    source: Tensor
    foreign: Tensor
    test: ImageSet
    names: tuple[str, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Table:
    """Pooled distances of images to one support set.

    Attributes:
        keys: the maps.
        pooled: (B, maps, 3), see `pooled_maps`.
        pixels: (B, maps, P), the maps at a grid of pixels; P is 0 where they are not wanted.
        counted: (B, P) bool, grid pixels of the foreground.
        masked: (B, P) bool, grid pixels of a pasted anomaly.
        place_weight: how far the support images are aligned, 0 to 1.
    """

    keys: tuple[MapKey, ...]
    pooled: Tensor
    pixels: Tensor
    counted: Tensor
    masked: Tensor
    place_weight: float


def load_task(
    data: Path, out: Path, model: D24FAD, tasks: Sequence[str], name: str, pasted: int
) -> MetaTask:
    """Read a task; features and pasted images are kept under `out`.

    Args:
        data: folder of tasks.
        out: folder of results.
        model: whose teacher is used.
        tasks: names of all tasks.
        name: of this one.
        pasted: number of pasted images.
    """
    files = find_task(data, name)
    store = FeatureStore(out / "features", model, IMAGE_SIZE)
    tests = (*files.test_good, *files.test_ungood)
    normals, test = (
        ImageSet(features.features, features.embedding, _foreground(paths))
        for paths, features in (
            (files.train_good, store.features(f"{name}/train_good", files.train_good).images),
            (tests, store.features(f"{name}/test", tests).images),
        )
    )
    path = out / "pasted" / f"{name}_{pasted}.safetensors"
    if not path.is_file():
        tensors = _paste(data, model, tasks, files, pasted)
        with whole_file(path) as temporary:
            save_file(tensors, temporary)
    tensors = load_file(path)
    return MetaTask(
        name,
        normals,
        ImageSet(
            tuple(tensors[str(scale)] for scale in range(3)),
            tensors["embedding"],
            tensors["foreground"].bool(),
        ),
        tensors["masks"].bool(),
        tensors["source"],
        tensors["foreign"],
        test,
        tuple(f"{one.parent.name}/{one.name}" for one in tests),
        (0,) * len(files.test_good) + (1,) * len(files.test_ungood),
    )


def _foreground(files: Sequence[Path]) -> Tensor:
    parts = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    return torch.cat([foreground(to_unit(load_images(part, IMAGE_SIZE))) for part in parts])


def _paste(
    data: Path, model: D24FAD, tasks: Sequence[str], files: ImageFolderTask, count: int
) -> dict[str, Tensor]:
    random = np.random.default_rng([17, list(tasks).index(files.name)])
    others = {name: find_task(data, name).train_good for name in tasks if name != files.name}
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, count, _CHUNK):
        images, masks, rows = [], [], []
        for number in range(start, min(count, start + _CHUNK)):
            source, same = random.choice(len(files.train_good), 2, replace=False)
            name = str(random.choice(list(others)))
            other = others[name][random.integers(len(others[name]))]
            triple = to_unit(
                load_images([files.train_good[source], files.train_good[same], other], IMAGE_SIZE)
            )
            inside = foreground(triple[:1])[0].numpy()
            effect = EFFECTS[number % len(EFFECTS)]
            image, texture, stranger = triple.permute(0, 2, 3, 1).numpy()
            pasted = paste_anomaly(image, texture, stranger, inside, random, effect)
            # Images have 8 bits; without rounding, pasted ones could be told by their values.
            images.append(torch.from_numpy((pasted.image * 255).round() / 255))
            masks.append(torch.from_numpy(pasted.mask))
            rows.append((int(source), list(tasks).index(name) if effect == "foreign" else -1))
        batch = torch.stack(images).permute(0, 3, 1, 2).contiguous()
        with torch.inference_mode():
            features, embedding = model.embed(batch)
        batches = {str(scale): values.half() for scale, values in enumerate(features)}
        batches["embedding"] = embedding
        batches["masks"] = torch.stack(masks).to(torch.uint8)
        batches["foreground"] = foreground(batch).to(torch.uint8)
        batches["source"], batches["foreign"] = torch.tensor(rows).T.contiguous()
        for title, values in batches.items():
            parts.setdefault(title, []).append(values)
    return {title: torch.cat(values).contiguous() for title, values in parts.items()}


def place_weight(support: ImageSet) -> float:
    """How much comparisons in place count for a support set, as the product measures it."""
    images = [
        SliceFeatures({scale: support.features[scale][row : row + 1] for scale in (1, 2)}, {})
        for row in range(len(support))
    ]
    return default_image_scoring().place_weight(misalignment(images))


def support_rows(task: MetaTask, draw: int) -> Tensor:
    """Support images of a draw, those of the benchmark."""
    return torch.from_numpy(draw_supports(len(task.normals), (SHOTS,), 0, draw)[:SHOTS])


def episode_rows(
    task: MetaTask, held_out: int, random: np.random.Generator, queries: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Supports, other normal images, and pasted ones that are made of no support image.

    Args:
        task: the task.
        held_out: index of the task that is held out; nothing pasted from it is drawn.
        random: where all chance comes from.
        queries: normal, and as many pasted, images.
    """
    order = torch.from_numpy(random.permutation(len(task.normals)))
    support = order[:SHOTS]
    free = ~torch.isin(task.source, support) & (task.foreign != held_out)
    drawn = torch.from_numpy(random.permutation(int(free.sum()))[:queries])
    return support, order[SHOTS : SHOTS + queries], torch.nonzero(free)[:, 0][drawn]


def tables_of(
    images: ImageSet,
    supports: Sequence[ImageSet],
    keys: tuple[MapKey, ...],
    model: D24FAD,
    masks: Tensor | None = None,
) -> list[Table]:
    """Compare images with each of some support sets.

    Args:
        images: B images.
        supports: K images each.
        keys: the maps.
        model: its student is used where maps want one.
        masks: (B, N, N) bool, pasted anomalies; None for no pixels.
    """
    student, info = any(key in STUDENT_KEYS for key in keys), model.teacher.info
    references = [_compared(support, model, student) for support in supports]
    units = [normal_units(each, keys) for each in references]
    pooled: list[list[Tensor]] = [[] for _ in supports]
    pixels: list[list[Tensor]] = [[] for _ in supports]
    for start in range(0, len(images), _CHUNK):
        part = images[start : start + _CHUNK]
        queries = _compared(part, model, student)
        for number, support in enumerate(references):
            distances = distance_maps(queries, support, keys)
            maps = {key: values / units[number][key] for key, values in distances.items()}
            pooled[number].append(pooled_maps(maps, part.foreground, info))
            if masks is not None:
                seen = [at_grid(one, key.scale, info, IMAGE_SIZE) for key, one in maps.items()]
                pixels[number].append(torch.stack([one.flatten(1) for one in seen], dim=1))
    nothing = torch.zeros(len(images), len(keys), 0)
    counted = images.foreground if masks is not None else nothing.bool()
    return [
        Table(
            keys,
            torch.cat(pooled[number]),
            torch.cat(pixels[number]) if pixels[number] else nothing,
            counted[:, ::GRID, ::GRID].flatten(1),
            (counted if masks is None else masks)[:, ::GRID, ::GRID].flatten(1),
            place_weight(support),
        )
        for number, support in enumerate(supports)
    ]


def _compared(images: ImageSet, model: D24FAD, student: bool) -> Compared:
    teacher = dict(enumerate(images.features))
    if not student:
        return compared(teacher)
    with torch.inference_mode():
        predicted = model.student(images.embedding)
    return compared(teacher, {scale: values.half() for scale, values in enumerate(predicted)})
