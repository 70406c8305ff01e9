"""Scoring one task's test images with one draw of supports, by all methods and shots."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.benchmark.image_methods import Method, ScoredMethod
from d24fad_core.comparison.features import CHUNK, SliceFeatures, StudyFeatures, needed_scales
from d24fad_core.comparison.scoring import MapKey
from d24fad_core.errors import SupportError
from d24fad_core.evaluation.image_scores import CORRECTED, ImageScores
from d24fad_core.files import hash_bytes
from d24fad_core.images.image_scorer import ImageScorer
from d24fad_core.images.paper_map import PaperMap, PaperMaps
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress, silent
from d24fad_core.training.episodes import EmbeddedImages

_FORMAT = "2"
MOST_SHOTS = 8
"""Supports of a draw, though fewer may be used: K shots are the first K of them."""


@dataclass(frozen=True, eq=False)
class HeldOutTask:
    """A task that is tested on, as the teacher sees it.

    Attributes:
        name: its name.
        train: its normal training images, which supports are drawn from.
        test: its test images.
        train_foreground: (S, N, N) bool, pixels of `train` that are not empty background.
        test_foreground: the same of `test`.
        names: test images, as folder/file.
        labels: 0 normal, 1 abnormal.
        key: hash of the content of both.
    """

    name: str
    train: EmbeddedImages
    test: EmbeddedImages
    train_foreground: Tensor
    test_foreground: Tensor
    names: tuple[str, ...]
    labels: tuple[int, ...]
    key: str


@dataclass(frozen=True)
class CellSettings:
    """What all cells of a benchmark share.

    Attributes:
        shots: numbers of support images (K).
        image_size: pixels a side.
        protocols: how images are scored; the package scores each by itself, "corrected".
        draw_seed: seed of the draws of supports.
    """

    shots: tuple[int, ...]
    image_size: int
    protocols: tuple[str, ...] = (CORRECTED,)
    draw_seed: int = 0


def draw_supports(count: int, shots: Sequence[int], seed: int, draw: int) -> NDArray[np.int64]:
    """Indices of the support images of a draw; K shots are the first K of them.

    Draws depend on neither the training nor the shots, so that comparisons are paired.

    Args:
        count: normal training images that there are.
        shots: all K that are wanted.
        seed: seed of the draws.
        draw: number of the draw.

    Raises:
        SupportError: there are too few images.
    """
    most = max(MOST_SHOTS, *shots)
    if most > count:
        raise SupportError(
            f"a draw takes {most} support images and there are {count} normal ones",
            "give more images in train/good.",
        )
    return np.random.default_rng([seed, draw]).choice(count, most, replace=False)


def score_file(out: Path, task: str, method: Method, seed: int | None, draw: int) -> Path:
    """Where the scores of a method with a draw of supports are kept."""
    return out / task / f"{method.name}_seed{'none' if seed is None else seed}_draw{draw}.json"


def score_key(
    task: HeldOutTask, method: Method, settings: CellSettings, draw: int, weights: str
) -> str:
    """Hash of everything that shapes the scores of a cell.

    Args:
        task: the task.
        method: the method.
        settings: of the benchmark.
        draw: number of the draw.
        weights: hash of the student's weights; empty where there is none.
    """
    shaping = {
        "format": _FORMAT,
        "task": task.key,
        "names": task.names,
        "labels": task.labels,
        "method": method.to_dict(),
        "shots": settings.shots,
        "protocols": settings.protocols,
        "image_size": settings.image_size,
        "draw": [settings.draw_seed, draw],
        "weights": weights,
    }
    return hash_bytes(json.dumps(shaping, sort_keys=True).encode())


def image_features(
    model: D24FAD, images: EmbeddedImages, foreground: Tensor, *, student: bool
) -> list[StudyFeatures]:
    """Features of each image, as `images.image_scorer.encode_each` makes them.

    Args:
        model: whose student predicts.
        images: what its teacher makes of (S,) images.
        foreground: (S, N, N) bool.
        student: whether the student's features are wanted.
    """
    count = len(images.embedding)
    predicted = _predict(model, images.embedding) if student else ()
    return [
        StudyFeatures(
            SliceFeatures(
                {scale: values[row : row + 1] for scale, values in enumerate(images.features)},
                {scale: values[row : row + 1] for scale, values in enumerate(predicted)},
            ),
            foreground[row : row + 1],
            1.0,
        )
        for row in range(count)
    ]


def _predict(model: D24FAD, embedding: Tensor) -> tuple[Tensor, ...]:
    device = next(model.parameters()).device
    parts = []
    for start in range(0, len(embedding), CHUNK):
        part = embedding[start : start + CHUNK]
        # Always CHUNK images, see `support.features`.
        filled = torch.cat([part, part[:1].expand(CHUNK - len(part), -1, -1, -1)])
        with torch.inference_mode():
            student = model.student(filled.to(device))
        parts.append(tuple(scale[: len(part)].half().cpu() for scale in student))
    return tuple(torch.cat(scale) for scale in zip(*parts, strict=True))


def score_draw(
    model: D24FAD,
    methods: Sequence[ScoredMethod],
    task: HeldOutTask,
    queries: Sequence[StudyFeatures],
    supports: Sequence[StudyFeatures],
    settings: CellSettings,
    *,
    seed: int | None,
    draw: int,
    progress: Progress = silent,
) -> dict[str, list[ImageScores]]:
    """Score all test images with one draw of supports, each by itself.

    Args:
        model: the network, in eval mode.
        methods: methods that this network can serve.
        task: names and labels of the images.
        queries: features of the test images.
        supports: features of the draw's support images, in its order.
        settings: of the benchmark.
        seed: seed of the model's training; None where the methods need none.
        draw: number of the draw.
        progress: told of each image.

    Returns:
        Method name to its scores for all shots.
    """
    scorers = {
        (method.name, shots): _scorer(model, method, supports[:shots], settings.image_size)
        for method in methods
        for shots in settings.shots
    }
    values: dict[tuple[str, int], list[float]] = {cell: [] for cell in scorers}
    for number, query in enumerate(queries):
        progress(f"{task.name}: draw {draw}", number / len(queries))
        for cell, scorer in scorers.items():
            values[cell].append(scorer.score(query))
    return {
        method.name: [
            ImageScores(
                task=task.name,
                method=method.name,
                protocol=CORRECTED,
                shots=shots,
                seed=seed,
                draw=draw,
                names=task.names,
                labels=task.labels,
                scores=tuple(values[method.name, shots]),
            )
            for shots in settings.shots
        ]
        for method in methods
    }


def _scorer(
    model: D24FAD, method: ScoredMethod, support: Sequence[StudyFeatures], image_size: int
) -> ImageScorer | PaperMaps:
    scoring = method.scoring
    if isinstance(scoring, PaperMap):
        return PaperMaps(model, scoring, support, image_size)
    reduced = [only_needed(image, scoring.keys) for image in support]
    return ImageScorer(model, scoring, reduced, image_size)


def only_needed(image: StudyFeatures, keys: Sequence[MapKey]) -> StudyFeatures:
    """The scales that the product would encode; its measure of alignment sees no more."""
    scales, features = needed_scales(keys), image.slices
    slices = SliceFeatures(
        {scale: features.teacher[scale] for scale in scales["teacher"]},
        {scale: features.student[scale] for scale in scales["student"]},
    )
    return replace(image, slices=slices)
