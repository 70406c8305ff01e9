"""Figures of one pair: this method, and the plain difference of registered, normalised scans."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import average_precision_score

from d24fad_core.change.comparison import compare_with_prior
from d24fad_core.change.options import ChangeOptions
from d24fad_core.change.result import ChangeKind, ChangeResult
from d24fad_core.change.score import SCALES_MM
from d24fad_core.evaluation.metrics.lesions import ScannedLesions, scan_lesions
from d24fad_core.evaluation.metrics.scored_image import ScoredImage
from d24fad_core.files import write_text
from d24fad_core.volumes.volume import Volume

Measured = dict[str, Any]

LEAST_ML = 0.1
"""Change of volume from which a lesion counts."""
APPEARED = (ChangeKind.NEW, ChangeKind.GROWN)
METHODS = ("change map", "plain difference", "plain difference, smoothed")


@dataclass(frozen=True, eq=False)
class TrueLesion:
    """A lesion and what became of it.

    Attributes:
        kind: None where it is only known that it changed.
        mask: (I, J, K) boolean on the grid of the case, where it is or was.
        changed: what of that changed.
        volume_ml: in the case.
        prior_volume_ml: in the prior.
    """

    kind: ChangeKind | None
    mask: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    volume_ml: float
    prior_volume_ml: float


@dataclass(frozen=True, eq=False)
class MeasuredPair:
    """A pair to be measured.

    Attributes:
        name: of the pair.
        case: the later study.
        prior: the earlier one.
        lesions: the truth.
        darker: whether lesions are darker than tissue; None where any change counts.
    """

    name: str
    case: Volume
    prior: Volume
    lesions: tuple[TrueLesion, ...]
    darker: bool | None


def measured_once(file: Path, measure: Callable[[], Measured]) -> Measured:
    """Figures from their file where there is one, else measured and written there."""
    if not file.exists():
        write_text(file, json.dumps(measure(), indent=1) + "\n")
    figures: Measured = json.loads(file.read_text(encoding="utf-8"))
    return figures


def measure_pair(pair: MeasuredPair) -> Measured:
    """Compare a pair by every method and hold it against the truth."""
    start = time.process_time()
    result = compare_with_prior(pair.case, pair.prior, ChangeOptions())
    seconds = time.process_time() - start
    compared = result.heatmap != 0
    box = ndimage.find_objects(compared.astype(np.uint8))[0]
    truth, ignored = (part[box] for part in _truth(pair))
    inside = compared[box]
    methods: Measured = {}
    for name, scores in _maps(pair, result, box, inside).items():
        signed = {True: -scores, False: scores, None: np.abs(scores)}[pair.darker]
        methods[name] = figures_of(signed, truth, inside & ~ignored, pair.case.spacing)
    return {
        "name": pair.name,
        "cpu_seconds": round(seconds, 1),
        "likeness": result.use.likeness,
        "warnings": [warning.code.value for warning in result.warnings],
        "methods": methods,
        "changes": _changes(pair, result),
        "missed": _missed(pair, result),
    }


def figures_of(
    scores: NDArray[np.float32],
    truth: NDArray[np.bool_],
    considered: NDArray[np.bool_],
    spacing: tuple[float, float, float],
) -> Measured:
    """Candidates of a map, and its average precision.

    Args:
        scores: the map.
        truth: (I, J, K) boolean, what is to be found.
        considered: boolean, what counts at all.
        spacing: size of a voxel in mm.
    """
    image = ScoredImage(scores.astype(np.float32), truth & considered, considered)
    candidates = scan_lesions(image, spacing)
    return {
        "hits": candidates.hits,
        "false_positives": candidates.false_positives[:40],
        "average_precision": float(
            average_precision_score(image.truth[considered], scores[considered])
        )
        if image.truth.any()
        else None,
    }


def scanned(figures: Measured, method: str) -> ScannedLesions:
    """Candidates of a method in a pair."""
    part = figures["methods"][method]
    return ScannedLesions(tuple(part["hits"]), tuple(part["false_positives"]))


def _maps(
    pair: MeasuredPair,
    result: ChangeResult,
    box: tuple[slice, ...],
    inside: NDArray[np.bool_],
) -> dict[str, NDArray[np.float32]]:
    """The map of each method within a box; plain ones have the same registration."""
    matrix = np.array(result.use.to_prior)
    to_index = np.linalg.inv(pair.prior.affine) @ matrix @ pair.case.affine
    laid = ndimage.affine_transform(
        pair.prior.array, to_index[:3, :3], to_index[:3, 3], pair.case.shape, order=1
    )
    one, other = (
        (part - part[inside].mean()) / part[inside].std()
        for part in (pair.case.array[box], laid[box])
    )
    plain = np.where(inside, one - other, np.float32(0.0)).astype(np.float32)
    smooth = ndimage.gaussian_filter(plain, [SCALES_MM[0] / size for size in pair.case.spacing])
    return dict(zip(METHODS, (result.heatmap[box], plain, smooth), strict=True))


def _truth(pair: MeasuredPair) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What counts as changed, and what counts neither way: changes too small."""
    truth, ignored = np.zeros((2, *pair.case.shape), dtype=bool)
    for lesion in pair.lesions:
        if lesion.kind is None:
            truth |= lesion.changed
        elif lesion.kind in APPEARED:
            large = abs(lesion.volume_ml - lesion.prior_volume_ml) >= LEAST_ML
            (truth if large else ignored)[lesion.changed] = True
    return truth, ignored


def _changes(pair: MeasuredPair, result: ChangeResult) -> list[Measured]:
    """What the result says, beside the lesion that each change overlaps most."""
    rows = []
    for change in result.changes:
        inside = result.ranks == change.rank
        overlaps = [np.count_nonzero(lesion.mask & inside) for lesion in pair.lesions]
        best = int(np.argmax(overlaps)) if overlaps and max(overlaps) > 0 else None
        lesion = None if best is None else pair.lesions[best]
        rows.append(
            {
                "kind": change.kind.value,
                "score": change.peak_score,
                "volume_ml": change.volume_ml,
                "prior_volume_ml": change.prior_volume_ml,
                "lesion": best,
                "true_kind": lesion.kind.value if lesion and lesion.kind else None,
                "true_volume_ml": lesion.volume_ml if lesion else None,
                "true_prior_volume_ml": lesion.prior_volume_ml if lesion else None,
            }
        )
    return rows


def _missed(pair: MeasuredPair, result: ChangeResult) -> list[Measured]:
    return [
        {
            "true_kind": lesion.kind.value if lesion.kind else None,
            "true_volume_ml": lesion.volume_ml,
            "true_prior_volume_ml": lesion.prior_volume_ml,
        }
        for lesion in pair.lesions
        if lesion.kind is not ChangeKind.STABLE and not (result.ranks[lesion.changed] > 0).any()
    ]
