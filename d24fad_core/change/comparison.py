"""A study and a prior in, a `ChangeResult` out."""

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.change.checks import check_kind, check_pair, likeness_of
from d24fad_core.change.kinds import Abnormality, ChangeMeasure, measure_change
from d24fad_core.change.options import ChangeOptions
from d24fad_core.change.other_side import other_side
from d24fad_core.change.pair import RegisteredPair, register_pair, shown_region
from d24fad_core.change.regions import ChangedRegion, find_regions
from d24fad_core.change.resolution import resampled
from d24fad_core.change.result import Change, ChangeKind, ChangeResult, PriorUse
from d24fad_core.change.score import score_pair
from d24fad_core.detection.findings import as_voxel, to_world
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.progress import Progress, silent
from d24fad_core.support.rigid import rigid_matrix
from d24fad_core.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class AnalysedTimes:
    """Both studies as they were analysed against normals.

    Attributes:
        case: the analysis of the case.
        prior: the analysis of the prior, on the prior's grid.
    """

    case: AnomalyResult
    prior: AnomalyResult


def compare_with_prior(
    case: Volume,
    prior: Volume,
    options: ChangeOptions | None = None,
    analysed: AnalysedTimes | None = None,
    progress: Progress = silent,
) -> ChangeResult:
    """Say what changed in a patient since a prior.

    Args:
        case: the study; of one that was masked, only the inside is compared.
        prior: an earlier study of the patient, of the same kind.
        options: choices for this comparison.
        analysed: both studies against normals, which then say what is abnormal at either time.
        progress: told of each step; raise `CancelledError` there to stop.

    Raises:
        InputError: the prior does not fit the case, or one of them has no foreground.
    """
    choices = options or ChangeOptions()
    check_kind(case, prior)
    progress("laying the prior on the case", 0.0)
    pair = register_pair(case, prior)
    alike = likeness_of(pair)
    warnings = check_pair(case, prior, pair, alike, shown_region(case))
    progress("measuring what changed", 0.6)
    scored = score_pair(pair)
    regions = find_regions(pair, scored, choices.threshold, choices.minimum_volume_ml)
    abnormality = None if analysed is None else _abnormality(pair, case, analysed)
    mirrored = other_side(pair) if regions else None
    changes = [
        _change(pair, region, case, measure_change(pair, region, abnormality, mirrored))
        for region in regions
    ]
    heatmap, laid_prior = np.zeros((2, *case.shape), dtype=np.float32)
    heatmap[pair.box] = scored.scores
    laid_prior[pair.box] = np.where(pair.inside, pair.prior, np.float32(0.0))
    ranks = np.zeros(case.shape, dtype=np.uint16)
    for rank, region in reversed(list(enumerate(regions, start=1))):
        ranks[pair.box][region.box][region.inside] = rank
    if analysed is not None:
        changes += _stable(case, analysed, pair, ranks)
    progress("done", 1.0)
    return ChangeResult(
        heatmap=heatmap,
        ranks=ranks,
        prior=laid_prior,
        affine=case.affine,
        threshold=choices.threshold,
        changes=tuple(replace(change, rank=rank) for rank, change in enumerate(changes, start=1)),
        use=PriorUse(
            prior.name,
            prior.source_hash,
            alike,
            rigid_matrix(pair.to_prior),
        ),
        warnings=warnings,
    )


def _change(
    pair: RegisteredPair, region: ChangedRegion, case: Volume, measure: ChangeMeasure
) -> Change:
    corner = np.array([part.start for part in pair.box])
    voxels = np.argwhere(region.inside) + [part.start for part in region.box] + corner
    peak = np.array(region.peak) + corner
    return Change(
        rank=0,
        kind=measure.kind,
        volume_ml=measure.volume_ml,
        prior_volume_ml=measure.prior_volume_ml,
        peak_score=region.score,
        centroid_ras_mm=to_world(case.affine, voxels.mean(axis=0)),
        peak_ras_mm=to_world(case.affine, peak.astype(np.float64)),
        peak_voxel=as_voxel(peak),
        bounding_box=(as_voxel(voxels.min(axis=0)), as_voxel(voxels.max(axis=0))),
    )


def _abnormality(pair: RegisteredPair, case: Volume, analysed: AnalysedTimes) -> Abnormality:
    before = _laid(analysed.prior.heatmap, analysed.prior.affine, case, pair.to_prior)
    return Abnormality(analysed.case.heatmap[pair.box], before[pair.box])


def _laid(
    array: NDArray[np.float32],
    affine: NDArray[np.float64],
    case: Volume,
    to_prior: sitk.Transform,
) -> NDArray[np.float32]:
    """A map of the prior at the places of the case."""
    return resampled(array, affine, case.shape, case.affine, to_prior, outside=0.0, smooth=False)


def _stable(
    case: Volume, analysed: AnalysedTimes, pair: RegisteredPair, changed: NDArray[np.uint16]
) -> list[Change]:
    """The findings that both studies have and that did not change."""
    findings = analysed.case.findings
    labels = analysed.case.ranks
    before, _ = ndimage.label(
        _laid(analysed.prior.mask.astype(np.float32), analysed.prior.affine, case, pair.to_prior)
        > 0.5,
        np.ones((3, 3, 3)),
    )
    stable = []
    for finding in findings:
        inside = labels == finding.rank
        overlapping = np.unique(before[inside])
        overlapping = overlapping[overlapping > 0]
        if not len(overlapping) or bool((changed[inside] > 0).any()):
            continue
        stable.append(
            Change(
                rank=0,
                kind=ChangeKind.STABLE,
                volume_ml=finding.volume_ml,
                prior_volume_ml=np.count_nonzero(np.isin(before, overlapping)) * case.voxel_ml,
                peak_score=0.0,
                centroid_ras_mm=finding.centroid_ras_mm,
                peak_ras_mm=finding.peak_ras_mm,
                peak_voxel=finding.peak_voxel,
                bounding_box=finding.bounding_box,
            )
        )
    return stable
