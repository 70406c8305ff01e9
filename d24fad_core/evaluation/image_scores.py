"""Scores of test images, and the files that they are kept in.

One file holds what one method said of one task's test images with one draw of supports, for all
shots and protocols. Its key stands for everything that shaped the scores; a file with
another key is of another benchmark and is computed again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.files import write_text

CORRECTED = "corrected"
"""Each test image is scored by itself."""


@dataclass(frozen=True)
class ImageScores:
    """Scores of one task's test images by one method with one draw of supports.

    Attributes:
        task: the held-out task.
        method: name of the method.
        protocol: how images were scored; by `CORRECTED` unless a study says otherwise.
        shots: number of support images (K).
        seed: seed of the training; None where nothing was trained.
        draw: number of the draw of supports.
        names: test images, as folder/file.
        labels: 0 normal, 1 abnormal.
        scores: higher is more abnormal.
    """

    task: str
    method: str
    protocol: str
    shots: int
    seed: int | None
    draw: int
    names: tuple[str, ...]
    labels: tuple[int, ...]
    scores: tuple[float, ...]


def write_scores(path: Path, key: str, scores: Sequence[ImageScores]) -> None:
    """Write scores of one task, seed and draw, whole or not at all.

    Args:
        path: the file.
        key: hash of everything that shaped the scores.
        scores: all of one task, seed and draw.
    """
    # A protocol may leave images out, so each has a list of its own.
    lists = {one.protocol: (one.names, one.labels) for one in scores}
    document = {
        "notice": RESEARCH_USE_ONLY,
        "key": key,
        "task": scores[0].task,
        "seed": scores[0].seed,
        "draw": scores[0].draw,
        "images": {
            protocol: {"names": names, "labels": labels}
            for protocol, (names, labels) in lists.items()
        },
        "scores": [
            {
                "method": one.method,
                "protocol": one.protocol,
                "shots": one.shots,
                "values": one.scores,
            }
            for one in scores
        ],
    }
    write_text(path, json.dumps(document, allow_nan=False) + "\n")


def read_scores(path: Path, key: str) -> tuple[ImageScores, ...] | None:
    """Read scores; None where there is no file, or one of another key or not readable.

    Scores that cannot be read are no error: they are computed again.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["key"] != key:
            return None
        scores = []
        for one in document["scores"]:
            images = document["images"][one["protocol"]]
            scores.append(
                ImageScores(
                    task=document["task"],
                    method=one["method"],
                    protocol=one["protocol"],
                    shots=one["shots"],
                    seed=document["seed"],
                    draw=document["draw"],
                    names=tuple(images["names"]),
                    labels=tuple(images["labels"]),
                    scores=tuple(one["values"]),
                )
            )
        return tuple(scores)
    except (OSError, ValueError, KeyError, TypeError):
        return None
