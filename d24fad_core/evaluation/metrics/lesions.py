"""Lesions found against false alarms: free-response operating characteristic (FROC).

What counts, as in LUNA16 (Setio et al., Medical Image Analysis 2017) with masks for spheres:

- A *candidate* is a local maximum of the heatmap in the foreground: no voxel within 5 mm along each
  axis is higher. Its confidence is its score.
- A candidate *hits* the lesion that it lies in; there is no tolerance around a lesion. A lesion is
  a connected region of the mask. Several hits of one lesion count once, with the highest.
- A candidate in no lesion is a *false positive*.
- The sensitivity at a rate is the highest that a threshold reaches with at most so many false
  positives a scan, over all scans, normal ones too. It is not interpolated between thresholds.

MONAI's functions are not used: they leave out the lowest threshold, give a missed lesion the score
0, which z scores pass on both sides, and interpolate over rates that repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.evaluation.metrics.bootstrap import ROUNDS, Estimate, draw_cases, estimate
from d24fad_core.evaluation.metrics.scored_image import ScoredImage
from d24fad_core.regions import label_regions

FROC_RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False positives a scan at which LUNA16 measures."""
NEIGHBOURHOOD_MM = 5.0


@dataclass(frozen=True)
class ScannedLesions:
    """What one scan adds to the curve.

    Attributes:
        hits: for each lesion, the confidence of its best candidate; None where it has none.
        false_positives: confidence of each candidate outside all lesions.
    """

    hits: tuple[float | None, ...]
    false_positives: tuple[float, ...]


@dataclass(frozen=True)
class LesionMeasures:
    """The curve of a set of scans.

    Attributes:
        rates: false positives a scan.
        sensitivity: share of the lesions found at each.
        mean: their mean, the score of LUNA16.
        lesions: number of lesions.
        scans: number of scans.
    """

    rates: tuple[float, ...]
    sensitivity: tuple[Estimate, ...]
    mean: Estimate
    lesions: int
    scans: int


def scan_lesions(
    image: ScoredImage, spacing: Sequence[float], *, neighbourhood_mm: float = NEIGHBOURHOOD_MM
) -> ScannedLesions:
    """Find the candidates of one scan and the lesions that they hit.

    Args:
        image: heatmap and truth.
        spacing: size of a pixel or voxel along each axis of the array, mm.
        neighbourhood_mm: half-width of the box in which a candidate is the highest.

    Raises:
        InputError: there is not one spacing an axis.
    """
    if len(spacing) != image.scores.ndim:
        raise InputError(
            f"{len(spacing)} spacings for a map of {image.scores.ndim} axes",
            "give one an axis.",
        )
    considered = image.considered
    scores = image.scores.astype(np.float64)
    if considered is not None:
        scores = np.where(considered, scores, -np.inf)
    size = [2 * max(1, round(neighbourhood_mm / step)) + 1 for step in spacing]
    highest = ndimage.maximum_filter(scores, size=size, mode="constant", cval=-np.inf)
    peaks = (scores == highest) & np.isfinite(scores)
    # Neighbouring voxels of one height are one candidate.
    plateaus = label_regions(peaks)
    labels = label_regions(image.truth)
    where = np.nonzero(peaks)
    candidates: dict[int, tuple[float, int]] = {}
    for plateau, score, lesion in zip(
        plateaus[where].tolist(), scores[where].tolist(), labels[where].tolist(), strict=True
    ):
        # A plateau that reaches into a lesion hits it.
        known = candidates.get(plateau, (score, 0))
        candidates[plateau] = (score, max(known[1], lesion))
    best: list[float | None] = [None] * int(labels.max())
    false = []
    for score, lesion in candidates.values():
        if lesion == 0:
            false.append(score)
            continue
        before = best[lesion - 1]
        best[lesion - 1] = score if before is None else max(before, score)
    return ScannedLesions(tuple(best), tuple(sorted(false, reverse=True)))


def measure_lesions(
    scans: Sequence[ScannedLesions],
    *,
    rates: Sequence[float] = FROC_RATES,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> LesionMeasures:
    """Sensitivity at each rate, with intervals over scans.

    Scans are resampled among those with and those without lesions.

    Args:
        scans: one a patient.
        rates: false positives a scan.
        rounds: number of resamples.
        seed: of the resampling.

    Raises:
        InputError: no scan has a lesion.
        ConfigurationError: a rate is negative, or there is none.
    """
    if not rates or min(rates) < 0:
        raise ConfigurationError(
            f"false positives a scan of {tuple(rates)} cannot be",
            "give 0 or more.",
        )
    lesions = sum(len(scan.hits) for scan in scans)
    if lesions == 0:
        raise InputError(
            f"none of {len(scans)} scans has a lesion, so no sensitivity can be measured",
            "give scans with lesion masks.",
        )
    drawn = draw_cases([bool(scan.hits) for scan in scans], rounds=rounds, seed=seed)
    measured = _sensitivities(scans, np.ones((1, len(scans))), rates)[0]
    resampled = _sensitivities(scans, drawn, rates)
    return LesionMeasures(
        rates=tuple(rates),
        sensitivity=tuple(
            estimate(float(value), resampled[:, index], len(scans))
            for index, value in enumerate(measured)
        ),
        mean=estimate(float(measured.mean()), resampled.mean(axis=1), len(scans)),
        lesions=lesions,
        scans=len(scans),
    )


def _sensitivities(
    scans: Sequence[ScannedLesions], drawn: NDArray[np.float64], rates: Sequence[float]
) -> NDArray[np.float64]:
    """Sensitivity of each round at each rate, (R, rates).

    Args:
        scans: the scans.
        drawn: how often each was drawn, (R, scans).
        rates: false positives a scan.
    """
    rows = [
        (confidence, index, hit)
        for index, scan in enumerate(scans)
        for hit, values in ((1.0, scan.hits), (0.0, scan.false_positives))
        for confidence in values
        if confidence is not None
    ]
    counts = np.array([len(scan.hits) for scan in scans], dtype=np.float64)
    lesions = drawn @ counts
    if not rows:
        return np.zeros((len(drawn), len(rates)))
    confidence, owner, hit = (np.array(part) for part in zip(*rows, strict=True))
    order = np.argsort(-confidence, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(confidence[order])), len(order) - 1)
    weight = drawn[:, owner[order].astype(np.int64)]
    true = np.cumsum(weight * hit[order], axis=1)[:, ends] / lesions[:, None]
    false = np.cumsum(weight * (1 - hit[order]), axis=1)[:, ends]
    scanned = drawn.sum(axis=1)
    return np.stack(
        [
            # The tolerance lets 3 false positives in 24 scans be one eighth.
            np.where(false <= (rate * scanned)[:, None] + 1e-9, true, 0.0).max(axis=1)
            for rate in rates
        ],
        axis=1,
    )
