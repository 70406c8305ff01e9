"""Scores of made-up methods, without a network."""

import numpy as np

from d24fad_core.evaluation.image_scores import CORRECTED, ImageScores

STRENGTHS = {"default": 2.0, "paper": 0.5, "nearest/max": 1.0, "nearest/mean": 1.4}
"""Separation of normal and abnormal images by method."""


def scored_run(
    method: str,
    *,
    task: str = "hands",
    shots: int = 4,
    seed: int | None = None,
    draw: int = 0,
    protocol: str = CORRECTED,
    separation: float = 1.0,
    images: int = 24,
) -> ImageScores:
    """A run whose abnormal images lie `separation` standard deviations above the normal ones."""
    generator = np.random.default_rng([draw, seed or 0, *method.encode(), *task.encode()])
    labels = [0] * (images // 2) + [1] * (images // 2)
    scores = generator.normal(0, 1, images) + separation * np.array(labels)
    folders = ("good", "ungood")
    return ImageScores(
        task=task,
        method=method,
        protocol=protocol,
        shots=shots,
        seed=seed,
        draw=draw,
        names=tuple(f"{folders[label]}/{number}.png" for number, label in enumerate(labels)),
        labels=tuple(labels),
        scores=tuple(scores.tolist()),
    )
