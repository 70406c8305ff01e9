"""Evaluation on volumes: every case against all of the support, measured against the masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.evaluation.cohort import check_case, find_cohort, read_lesions
from d24fad_core.evaluation.metrics.bootstrap import ROUNDS
from d24fad_core.evaluation.metrics.lesions import (
    LesionMeasures,
    ScannedLesions,
    measure_lesions,
    scan_lesions,
)
from d24fad_core.evaluation.metrics.pixels import PixelMeasures, measure_pixels, pixel_auroc
from d24fad_core.evaluation.metrics.ranking import RankingMeasures, measure_ranking
from d24fad_core.evaluation.metrics.scored_image import ScoredImage
from d24fad_core.io.reading import read_volume
from d24fad_core.models.checkpoint import ModelCard
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress, silent
from d24fad_core.volumes.volume import Modality


@dataclass(frozen=True, eq=False)
class AnalysedCase:
    """What is measured of one case.

    Attributes:
        name: the case.
        score: its case score.
        voxels: heatmap and truth.
        lesions: candidates and the lesions that they hit.
        marked: share of the foreground that the mask marks.
        hit: whether the mask and a lesion overlap.
    """

    name: str
    score: float
    voxels: ScoredImage
    lesions: ScannedLesions
    marked: float
    hit: bool

    @classmethod
    def of(
        cls,
        name: str,
        score: float,
        heatmap: NDArray[np.float32],
        mask: NDArray[np.uint8],
        truth: NDArray[np.bool_],
        spacing: tuple[float, float, float],
    ) -> "AnalysedCase":
        """From what a detector found; all arrays on one grid of `spacing` mm."""
        voxels = ScoredImage.from_heatmap(heatmap, truth)
        marked = mask.astype(bool)
        inside = heatmap != 0
        return cls(
            name=name,
            score=score,
            voxels=voxels,
            lesions=scan_lesions(voxels, spacing),
            marked=float(marked[inside].mean()) if inside.any() else 0.0,
            hit=bool((marked & truth).any()),
        )

    @property
    def abnormal(self) -> bool:
        """Whether it has a lesion."""
        return bool(self.lesions.hits)


@dataclass(frozen=True)
class VolumeEvaluation:
    """What one method reached on a cohort.

    Attributes:
        voxels: over the foreground voxels of all cases together; `dice` at the mask's threshold.
        lesions: lesions found against false positives a scan.
        volumes: case scores, cases with lesions against cases without; None where there is only
            one kind.
        mean_voxel_auroc: mean of each lesion case's own voxel AUROC.
        normal_voxels_marked: share of the normal cases' foreground that the mask marks; None
            where there is no normal case.
        lesions_hit: share of lesion cases with a finding that overlaps the lesion.
        case_scores: by case.
        case_aurocs: voxel AUROC of each lesion case by itself.
    """

    voxels: PixelMeasures
    lesions: LesionMeasures
    volumes: RankingMeasures | None
    mean_voxel_auroc: float
    normal_voxels_marked: float | None
    lesions_hit: float
    case_scores: Mapping[str, float] = field(repr=False)
    case_aurocs: Mapping[str, float] = field(repr=False)


def measure_cases(
    cases: Sequence[AnalysedCase], threshold: float | None = None, *, rounds: int = ROUNDS
) -> VolumeEvaluation:
    """Measure a cohort's cases, with intervals over cases.

    Args:
        cases: one a patient; at least one with a lesion.
        threshold: of the mask, in z.
        rounds: resamples of the intervals.

    Raises:
        InputError: no case has a lesion.
    """
    voxels = measure_pixels([case.voxels for case in cases], threshold=threshold, rounds=rounds)
    kinds = [int(case.abnormal) for case in cases]
    scores = [case.score for case in cases]
    own = {case.name: pixel_auroc([case.voxels]) for case in cases if case.abnormal}
    marked = [case.marked for case in cases if not case.abnormal]
    return VolumeEvaluation(
        voxels=voxels,
        lesions=measure_lesions([case.lesions for case in cases], rounds=rounds),
        volumes=measure_ranking(kinds, scores, rounds=rounds) if len(set(kinds)) == 2 else None,
        mean_voxel_auroc=float(np.mean(list(own.values()))),
        normal_voxels_marked=float(np.mean(marked)) if marked else None,
        lesions_hit=float(np.mean([case.hit for case in cases if case.abnormal])),
        case_scores={case.name: case.score for case in cases},
        case_aurocs=own,
    )


def evaluate_volumes(
    model: D24FAD,
    card: ModelCard,
    methods: Mapping[str, ScoringConfig],
    root: Path,
    *,
    options: DetectionOptions | None = None,
    modality: Modality | None = None,
    rounds: int = ROUNDS,
    progress: Progress = silent,
) -> dict[str, VolumeEvaluation]:
    """Analyse every case against all of the support and compare with the masks.

    Args:
        model: the network.
        card: its card; each method's scoring takes the place of the card's.
        methods: name to scoring.
        root: folder with `support`, `cases` and, for the cases with lesions, `masks`.
        options: choices for the analysis; None compares in a window.
        modality: what the volumes are, where the files do not say.
        rounds: resamples of the intervals.
        progress: told of each step.

    Raises:
        InputError: a folder is missing, a mask does not fit its case, or a case is in the support.
    """
    options = options or DetectionOptions(comparison=ComparisonKind.WINDOW)
    cohort = find_cohort(root)
    support = [read_volume(path, modality) for path in cohort.support]
    for case in cohort.cases:
        check_case(case, support, modality)
    results = {}
    for number, (name, scoring) in enumerate(methods.items()):
        detector = Detector(model, card, scoring=scoring)
        prepared = detector.prepare_support(support, options)
        analysed, threshold = [], None
        for index, case in enumerate(cohort.cases):
            progress(f"{name}: {case.name}", (number + index / len(cohort.cases)) / len(methods))
            volume = read_volume(case.path, modality)
            result = detector.detect(volume, prepared, options)
            threshold = result.calibration.threshold
            analysed.append(
                AnalysedCase.of(
                    case.name,
                    result.case_score,
                    result.heatmap,
                    result.mask,
                    read_lesions(case, volume),
                    volume.spacing,
                )
            )
        results[name] = measure_cases(analysed, threshold, rounds=rounds)
    return results
