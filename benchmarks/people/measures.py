"""What a method reached on the cases of a draw, and the mean over draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.people.scores import CaseFigures, ScoredCase
from benchmarks.people.strata import CLEAR, list_lesions, measure_stratum
from d24fad_core.evaluation.metrics import (
    Estimate,
    ScoredImage,
    measure_lesions,
    measure_pixels,
    measure_ranking,
    pixel_auroc,
    pixel_average_precision,
)
from d24fad_core.evaluation.metrics.bootstrap import ROUNDS, draw_cases, estimate


@dataclass(frozen=True)
class Measures:
    """Measures of one draw, or their mean over draws; intervals are over people.

    Attributes:
        voxel_auroc: over the brain voxels of all cases together.
        average_precision: over the same.
        aupro: per-region overlap, over the same.
        froc: mean sensitivity of the lesions at 1/8 to 8 false positives a scan, in the brain.
        froc_clear: the same of clear lesions; others neither count nor are false. None where no
            lesion is clear.
        volume_auroc: case scores of people with lesions against those of untouched people.
        dice: mean over lesion cases, at the method's own threshold.
        hit: share of lesion cases whose lesion the mask overlaps.
        volume_error: median over lesion cases, as a share of the lesions' volume.
        untouched_ml: median volume marked in an untouched person, anywhere in the study.
        untouched_findings: median number of regions marked there.
    """

    voxel_auroc: Estimate
    average_precision: Estimate
    aupro: Estimate
    froc: Estimate
    froc_clear: Estimate | None
    volume_auroc: Estimate
    dice: Estimate
    hit: Estimate
    volume_error: Estimate
    untouched_ml: Estimate
    untouched_findings: Estimate


@dataclass(frozen=True)
class KindMeasures:
    """How the lesion cases of one kind fared, each case by itself.

    Attributes:
        generator: what planted them.
        kind: what they are.
        cases: how many there are.
        truth_ml: median volume.
        voxel_auroc: mean over the cases.
        average_precision: mean over the cases.
        dice: mean over the cases, at the method's own threshold.
        hit: share of them whose lesion the mask overlaps.
    """

    generator: str
    kind: str
    cases: int
    truth_ml: float
    voxel_auroc: float
    average_precision: float
    dice: float
    hit: float


def as_image(case: ScoredCase) -> ScoredImage:
    """Heatmap and truth as the project's measures take them."""
    return ScoredImage(case.heatmap, case.truth, case.considered)


def measure(cases: Sequence[ScoredCase], *, rounds: int = ROUNDS) -> Measures:
    """Measure one draw; each person is one case.

    Args:
        cases: people with lesions and untouched people.
        rounds: resamples of the intervals.

    Raises:
        InputError: there is no case with a lesion, or none without.
    """
    images = [as_image(case) for case in cases]
    pixels = measure_pixels(images, rounds=rounds)
    lesions = [list_lesions(case) for case in cases]
    clear = measure_stratum(lesions, CLEAR, rounds=rounds)
    abnormal = [case.figures for case in cases if case.truth.any()]
    untouched = [case.figures for case in cases if not case.truth.any()]
    kinds = [int(case.truth.any()) for case in cases]
    ranking = measure_ranking(kinds, [case.figures.case_score for case in cases], rounds=rounds)

    def over(
        people: Sequence[CaseFigures],
        value: Callable[[CaseFigures], float],
        summary: Callable[[NDArray[np.float64]], np.floating[Any]] = np.mean,
    ) -> Estimate:
        values = np.array([value(person) for person in people])
        drawn = draw_cases(np.zeros(len(values)), rounds=rounds).astype(int)
        resampled = np.array([summary(np.repeat(values, row)) for row in drawn])
        return estimate(float(summary(values)), resampled, len(values))

    return Measures(
        voxel_auroc=pixels.auroc,
        average_precision=pixels.average_precision,
        aupro=pixels.aupro,
        froc=measure_lesions([each.scan for each in lesions], rounds=rounds).mean,
        froc_clear=None if clear is None else clear.froc,
        volume_auroc=ranking.auroc,
        dice=over(abnormal, lambda person: person.dice),
        hit=over(abnormal, lambda person: float(person.overlap_ml > 0)),
        volume_error=over(abnormal, lambda person: person.volume_error, np.median),
        untouched_ml=over(untouched, lambda person: person.marked_ml, np.median),
        untouched_findings=over(untouched, lambda person: float(person.findings), np.median),
    )


def mean_of_draws(draws: Sequence[Measures]) -> Measures:
    """The mean of each measure, between the means of its bounds.

    Draws share people, so the bounds are those of one draw: wider than the mean's own.
    """
    means: dict[str, Any] = {}
    for field in fields(Measures):
        values: list[Estimate | None] = [getattr(draw, field.name) for draw in draws]
        parts = [value for value in values if value is not None]
        if not parts:
            means[field.name] = None
            continue
        bounds = [part.interval for part in parts if part.interval is not None]
        interval = tuple(np.mean(bounds, axis=0).tolist()) if bounds else None
        means[field.name] = Estimate(float(np.mean([part.value for part in parts])), interval)
    return Measures(**means)


def measure_kinds(cases: Sequence[ScoredCase]) -> list[KindMeasures]:
    """How each kind of lesion fared, over all cases that are handed in."""
    groups: dict[tuple[str, str], list[ScoredCase]] = {}
    for case in cases:
        if case.truth.any():
            groups.setdefault((case.figures.generator, case.figures.kind), []).append(case)
    return [
        KindMeasures(
            generator,
            kind,
            len(group),
            float(np.median([case.figures.truth_ml for case in group])),
            float(np.mean([pixel_auroc([as_image(case)]) for case in group])),
            float(np.mean([pixel_average_precision([as_image(case)]) for case in group])),
            float(np.mean([case.figures.dice for case in group])),
            float(np.mean([case.figures.overlap_ml > 0 for case in group])),
        )
        for (generator, kind), group in sorted(groups.items())
    ]
