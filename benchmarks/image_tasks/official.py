"""The published evaluation, faults included, and what it adds to the same anomaly maps.

The protocol that the paper's figures rest on differs from an honest one in four ways:

1. The blur runs over the whole (batch, height, width) array, so it mixes the images of a batch.
   Test images come sorted by label: most neighbours share an image's label.
2. The epoch is the one whose AUROC on the test images is best.
3. The last batch is dropped when it is incomplete.
4. Scores are min-max normalised over the test set: a single patient has none.

It is here to be measured, never to be relied on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from d24fad_core.errors import InputError
from d24fad_core.evaluation.metrics import auroc

OFFICIAL = "official"
"""The protocol as published."""
BATCH = 16
"""Images a batch (paper, section 4.1)."""
SIGMA = 4.0
"""Gaussian sigma in image pixels and, by fault 1, in images."""


@dataclass(frozen=True)
class OfficialScores:
    """Image scores of the published protocol.

    Attributes:
        cases: index, among the images that were given, of each image that has a score, in the
            protocol's order: sorted by label, the last incomplete batch left out.
        labels: their labels.
        scores: their scores, 0 to 1, normalised over these images.
    """

    cases: tuple[int, ...]
    labels: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class EpochChoice:
    """The epoch that the published protocol would report.

    Attributes:
        epoch: index of the best epoch by the test images; the first among equals.
        auroc: its AUROC.
        last_auroc: AUROC of the last epoch, for comparison.
    """

    epoch: int
    auroc: float
    last_auroc: float


@dataclass(frozen=True)
class Inflation:
    """Image AUROC of the same maps as the published protocol is put together, fault by fault.

    Attributes:
        corrected: every image by itself, blurred in plane.
        blurred_across_images: blurred over batches, every image scored.
        official: and the last incomplete batch dropped; normalising changes no order.
    """

    corrected: float
    blurred_across_images: float
    official: float

    @property
    def gap(self) -> float:
        """What the published protocol adds."""
        return self.official - self.corrected


def corrected_scores(maps: NDArray[np.floating[Any]], *, sigma: float = SIGMA) -> tuple[float, ...]:
    """Highest value of each map, blurred in plane; no image knows of another.

    Args:
        maps: unblurred anomaly maps, (N, H, W).
        sigma: Gaussian sigma in pixels.

    Raises:
        InputError: the maps have another number of dimensions.
    """
    _check_maps(maps)
    return tuple(float(ndimage.gaussian_filter(image, sigma).max()) for image in maps)


def official_scores(
    maps: NDArray[np.floating[Any]],
    labels: Sequence[int],
    *,
    batch: int = BATCH,
    sigma: float = SIGMA,
) -> OfficialScores:
    """Score maps as published.

    Args:
        maps: unblurred anomaly maps, (N, H, W), in any order.
        labels: 0 normal, 1 abnormal, one a map.
        batch: images a batch.
        sigma: Gaussian sigma along all three axes of a batch.

    Raises:
        InputError: labels and maps differ in number, or there are fewer images than a batch.
    """
    _check_maps(maps, labels)
    order = np.argsort(labels, kind="stable")
    whole = len(order) // batch * batch
    if whole == 0:
        raise InputError(
            f"{len(order)} images make no batch of {batch}, and the published protocol drops an "
            "incomplete one",
            "give more images, or use the corrected protocol.",
        )
    cases = order[:whole]
    highest = _batch_maxima(maps[cases], batch, sigma)
    low, high = highest.min(), highest.max()
    normalised = (highest - low) / max(high - low, np.finfo(np.float64).tiny)
    return OfficialScores(
        cases=tuple(cases.tolist()),
        labels=tuple(int(labels[index]) for index in cases),
        scores=tuple(normalised.tolist()),
    )


def choose_epoch(labels: ArrayLike, scores_by_epoch: Sequence[ArrayLike]) -> EpochChoice:
    """Choose the epoch on the test images, as published (fault 2).

    Args:
        labels: 0 normal, 1 abnormal, one a test image.
        scores_by_epoch: scores of all test images after each epoch.

    Raises:
        InputError: there is no epoch, or only one class.
    """
    if not scores_by_epoch:
        raise InputError("no epoch was scored", "give the test scores of at least one epoch.")
    reached = [auroc(labels, scores) for scores in scores_by_epoch]
    best = int(np.argmax(reached))
    return EpochChoice(best, reached[best], reached[-1])


def inflation(
    maps: NDArray[np.floating[Any]],
    labels: Sequence[int],
    *,
    batch: int = BATCH,
    sigma: float = SIGMA,
) -> Inflation:
    """Measure what the published protocol adds to the AUROC of the same maps.

    Args:
        maps: unblurred anomaly maps, (N, H, W), in any order.
        labels: 0 normal, 1 abnormal, one a map.
        batch: images a batch.
        sigma: Gaussian sigma.

    Raises:
        InputError: as `official_scores`, or one class alone is present or left.
    """
    official = official_scores(maps, labels, batch=batch, sigma=sigma)
    order = np.argsort(labels, kind="stable")
    sorted_labels = np.asarray(labels)[order]
    return Inflation(
        corrected=auroc(labels, corrected_scores(maps, sigma=sigma)),
        blurred_across_images=auroc(sorted_labels, _batch_maxima(maps[order], batch, sigma)),
        official=auroc(official.labels, official.scores),
    )


def _batch_maxima(maps: NDArray[np.floating[Any]], batch: int, sigma: float) -> NDArray[np.float64]:
    """Highest value of each map after the blur over whole batches; the last may be smaller."""
    parts = [
        ndimage.gaussian_filter(maps[start : start + batch].astype(np.float64), sigma)
        for start in range(0, len(maps), batch)
    ]
    highest: NDArray[np.float64] = np.concatenate([part.max(axis=(1, 2)) for part in parts])
    return highest


def _check_maps(maps: NDArray[np.floating[Any]], labels: Sequence[int] | None = None) -> None:
    if maps.ndim != 3:
        raise InputError(
            f"maps of shape {maps.shape} are no stack",
            "give (images, height, width).",
        )
    if labels is not None and len(labels) != len(maps):
        raise InputError(f"{len(labels)} labels for {len(maps)} maps", "give one a map.")
