"""Few-shot evaluation on image folders: every image scored by itself, no statistic of the test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.comparison.scoring import ImageScoringConfig
from d24fad_core.errors import SupportError
from d24fad_core.evaluation.metrics import auroc, average_precision, bootstrap_interval
from d24fad_core.images.image_folder import ImageFolderTask, load_images, to_unit
from d24fad_core.images.image_scorer import ImageScorer, encode_each
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress, silent


@dataclass(frozen=True)
class ImageEvaluation:
    """What one method reached on one task.

    Attributes:
        auroc: image AUROC of each draw of supports.
        average_precision: image average precision of each draw.
        interval: 95 % bootstrap interval over the test images of the scores' mean over draws.
        supports: names of the support images of each draw.
        scores: file name to score in each draw.
    """

    auroc: tuple[float, ...]
    average_precision: tuple[float, ...]
    interval: tuple[float, float]
    supports: tuple[tuple[str, ...], ...]
    scores: Mapping[str, tuple[float, ...]] = field(repr=False)


def evaluate_images(
    model: D24FAD,
    methods: Mapping[str, ImageScoringConfig],
    task: ImageFolderTask,
    *,
    shots: int,
    draws: int,
    seed: int,
    image_size: int,
    progress: Progress = silent,
) -> dict[str, ImageEvaluation]:
    """Score a task's test images with several draws of support images from train/good.

    All methods see the same draws. Draw m depends on `seed` and m alone.

    Args:
        model: the network.
        methods: name to scoring.
        task: the files.
        shots: support images a draw (K).
        draws: number of draws (M).
        seed: seed of the draws.
        image_size: pixels a side.
        progress: told of each step.

    Raises:
        SupportError: train/good has fewer than K images.
        InputError: an image cannot be read.
    """
    if shots > len(task.train_good):
        raise SupportError(
            f"task '{task.name}' has {len(task.train_good)} images in train/good; {shots} shots "
            "need as many.",
            "Give fewer shots.",
        )
    support_draws = [
        np.random.default_rng([seed, draw]).choice(len(task.train_good), shots, replace=False)
        for draw in range(draws)
    ]
    tests = [*task.test_good, *task.test_ungood]
    labels = [0] * len(task.test_good) + [1] * len(task.test_ungood)
    members = sorted({int(index) for draw in support_draws for index in draw})
    results = {}
    for number, (name, scoring) in enumerate(methods.items()):
        progress(f"{name}: features", number / len(methods))
        supports = dict(
            zip(
                members,
                _encode(model, [task.train_good[i] for i in members], scoring, image_size),
                strict=True,
            )
        )
        queries = _encode(model, tests, scoring, image_size)
        by_draw = []
        for draw, indices in enumerate(support_draws):
            progress(f"{name}: draw {draw + 1}", (number + draw / draws) / len(methods))
            scorer = ImageScorer(model, scoring, [supports[int(i)] for i in indices], image_size)
            by_draw.append([scorer.score(query) for query in queries])
        # One file name may stand in both folders; the folder keeps them apart.
        names = [f"{path.parent.name}/{path.name}" for path in tests]
        results[name] = ImageEvaluation(
            auroc=tuple(auroc(labels, scores) for scores in by_draw),
            average_precision=tuple(average_precision(labels, scores) for scores in by_draw),
            interval=bootstrap_interval(labels, np.mean(by_draw, axis=0).tolist()),
            supports=tuple(tuple(task.train_good[i].name for i in draw) for draw in support_draws),
            scores=dict(zip(names, zip(*by_draw, strict=True), strict=True)),
        )
    return results


def _encode(
    model: D24FAD, files: list[Path], scoring: ImageScoringConfig, image_size: int
) -> list[StudyFeatures]:
    features: list[StudyFeatures] = []
    for start in range(0, len(files), 64):
        images = to_unit(load_images(files[start : start + 64], image_size))
        features.extend(encode_each(model, images, scoring.keys))
    return features
