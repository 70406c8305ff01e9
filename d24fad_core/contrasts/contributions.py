"""What each contrast contributed to a result, and what makes one of them doubtful."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from d24fad_core.contrasts.registration import LaidContrast
from d24fad_core.contrasts.support import ContrastSupport
from d24fad_core.detection.comparison import PlacedComparison
from d24fad_core.detection.evidence import values_inside, voxel_to_frame
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.detection.result import (
    AnalysisWarning,
    AnomalyResult,
    ContrastScore,
    ContrastUse,
    WarningCode,
)
from d24fad_core.detection.study_checks import check_study
from d24fad_core.support.rigid import rigid_matrix
from d24fad_core.volumes.volume import Volume

_LEAST_OVERLAP = 0.7


def with_contrasts(
    result: AnomalyResult,
    scans: Sequence[Volume],
    support: ContrastSupport,
    placed: Sequence[PlacedComparison],
    maps: Sequence[NDArray[np.float32]],
    laid: Sequence[LaidContrast],
    options: DetectionOptions,
) -> AnomalyResult:
    """A fused result that says what each contrast had a part in.

    Args:
        result: the fused one, on the grid of the reference.
        scans: of the case, one a contrast, the reference first; so are all others.
        support: what they were compared with.
        placed: each scan beside its normals.
        maps: each scan's own map, in the frame of the reference.
        laid: where each scan lies on the reference.
        options: choices for this analysis.
    """
    reference, frame = scans[0], support.sets[0].frame
    to_frame = voxel_to_frame(reference, placed[0].aligned, frame)
    ranks = result.ranks
    stack = np.stack(maps)
    findings = []
    for finding in result.findings:
        values = values_inside(finding, ranks, to_frame, stack)
        scores = tuple(
            ContrastScore(contrast, float(each.max()), float(each.mean()))
            for contrast, each in zip(support.contrasts, values, strict=True)
        )
        findings.append(replace(finding, contrasts=scores))
    uses = tuple(
        ContrastUse(
            contrast,
            scan.source_hash,
            rigid_matrix(each.to_other),
        )
        for contrast, scan, each in zip(support.contrasts, scans, laid, strict=True)
    )
    warnings = [*result.warnings]
    for number in range(1, len(scans)):
        warnings += _doubts(support, number, scans, placed[number], laid[number], options)
    parameters = result.provenance.parameters | {"contrasts": ", ".join(support.contrasts)}
    return replace(
        result,
        findings=tuple(findings),
        warnings=tuple(warnings),
        provenance=replace(result.provenance, parameters=parameters),
        contrasts=uses,
    )


def _doubts(
    support: ContrastSupport,
    number: int,
    scans: Sequence[Volume],
    placed: PlacedComparison,
    laid: LaidContrast,
    options: DetectionOptions,
) -> list[AnalysisWarning]:
    """What makes one of the other contrasts doubtful."""
    own, contrast = support.sets[number], support.contrasts[number]
    warnings = []
    if laid.overlap < _LEAST_OVERLAP:
        warnings.append(
            AnalysisWarning(
                WarningCode.CONTRAST_UNLIKE,
                f"Laid on the {support.contrasts[0]} of {scans[0].name}, its {contrast} covers "
                f"{laid.overlap:.0%} of it: they do not show the same.",
                "Check that both are of one person and one part of the body.",
            )
        )
    inside = placed.compared.heatmap[placed.compared.heatmap != 0]
    checked = check_study(
        scans[number].name,
        placed.aligned.profile,
        own,
        own.scale(options.planes).case_scores,
        float(np.median(inside)) if inside.size else 0.0,
    )
    return warnings + [
        replace(each, sentence=f"In {contrast}: {each.sentence}") for each in checked
    ]
