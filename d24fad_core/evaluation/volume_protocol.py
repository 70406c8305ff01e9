"""Evaluation on volumes: ROOT/support, ROOT/cases, ROOT/masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d24fad_core.data.reading import find_studies, read_volume, study_name
from d24fad_core.data.volume import Modality, Volume
from d24fad_core.detection.detector import Detector
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.errors import InputError
from d24fad_core.evaluation.metrics import auroc, average_precision, bootstrap_interval
from d24fad_core.networks.checkpoint import ModelCard
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.progress import Progress, silent
from d24fad_core.support.scoring import ScoringConfig


@dataclass(frozen=True)
class VolumeEvaluation:
    """What one method reached on a cohort.

    Attributes:
        voxel_auroc: over the foreground voxels of all cases together.
        voxel_ap: average precision over the same voxels.
        voxel_prevalence: share of lesion voxels among them, the chance level of `voxel_ap`.
        volume_auroc: case scores, cases with a mask against cases without; None where there is
            only one kind.
        volume_interval: its 95 % bootstrap interval over cases.
        case_scores: by case.
        mean_voxel_auroc: mean of each lesion case's own voxel AUROC.
        normal_voxels_marked: share of the normal cases' foreground that the mask marks.
        lesions_hit: share of lesion cases with a finding that overlaps the lesion.
    """

    voxel_auroc: float
    voxel_ap: float
    voxel_prevalence: float
    volume_auroc: float | None
    volume_interval: tuple[float, float] | None
    mean_voxel_auroc: float
    normal_voxels_marked: float | None
    lesions_hit: float
    case_scores: Mapping[str, float] = field(repr=False)


@dataclass(frozen=True)
class _Case:
    name: str
    path: Path
    mask: Path | None


def evaluate_volumes(
    model: D24FAD,
    card: ModelCard,
    methods: Mapping[str, ScoringConfig],
    root: Path,
    *,
    options: DetectionOptions | None = None,
    modality: Modality | None = None,
    progress: Progress = silent,
) -> dict[str, VolumeEvaluation]:
    """Analyse every case against all of the support and compare with the masks.

    Args:
        model: the network.
        card: its card; each method's scoring takes the place of the card's.
        methods: name to scoring.
        root: folder with `support`, `cases` and, for the cases with lesions, `masks`.
        options: choices for the analysis.
        modality: what the volumes are, where the files do not say.
        progress: told of each step.

    Raises:
        InputError: a folder is missing, a mask does not fit its case, or a case is in the support.
    """
    options = options or DetectionOptions()
    cases = _find_cases(root)
    support_files = find_studies(root / "support")
    support = [read_volume(path, modality) for path in support_files]
    for case in cases:
        # The analysis takes hours; what is wrong with a file is better known before.
        _check_case(case, support, modality)
    results = {}
    for number, (name, scoring) in enumerate(methods.items()):
        detector = Detector(model, card, scoring=scoring)
        prepared = detector.prepare_support(support, options)
        scores, labels, by_case, own, hits, marked = [], [], {}, [], [], []
        for index, case in enumerate(cases):
            progress(f"{name}: {case.name}", (number + index / len(cases)) / len(methods))
            volume = read_volume(case.path, modality)
            result = detector.detect(volume, prepared, options)
            inside = result.heatmap != 0
            truth = _read_mask(case, volume)
            # Lesion voxels that were not analysed count as missed, at the lowest score.
            considered = inside | truth
            values = np.where(inside, result.heatmap, result.heatmap.min())[considered]
            scores.append(values)
            labels.append(truth[considered])
            by_case[case.name] = result.case_score
            if case.mask is None:
                marked.append(float(result.mask[inside].mean()) if inside.any() else 0.0)
            else:
                own.append(auroc(truth[considered], values))
                hits.append(bool((result.mask.astype(bool) & truth).any()))
        kinds = [int(case.mask is not None) for case in cases]
        ranked = [by_case[case.name] for case in cases]
        both = len(set(kinds)) == 2
        every, truths = np.concatenate(scores), np.concatenate(labels)
        results[name] = VolumeEvaluation(
            voxel_auroc=auroc(truths, every),
            voxel_ap=average_precision(truths, every),
            voxel_prevalence=float(truths.mean()),
            volume_auroc=auroc(kinds, ranked) if both else None,
            volume_interval=bootstrap_interval(kinds, ranked) if both else None,
            mean_voxel_auroc=float(np.mean(own)),
            normal_voxels_marked=float(np.mean(marked)) if marked else None,
            lesions_hit=float(np.mean(hits)),
            case_scores=by_case,
        )
    return results


def _find_cases(root: Path) -> list[_Case]:
    for part in ("support", "cases", "masks"):
        if not (root / part).is_dir():
            raise InputError(
                f"no folder {root / part}; the layout is ROOT/support, ROOT/cases and "
                "ROOT/masks/<case>.nii.gz for the cases with lesions."
            )
    masks = {study_name(path): path for path in find_studies(root / "masks")}
    found = [
        _Case(path.name, path, masks.pop(study_name(path), None))
        for path in find_studies(root / "cases")
    ]
    if masks:
        raise InputError(
            f"{next(iter(masks.values()))} belongs to no case: {root / 'cases'} has none of that "
            "name. A case whose mask is not found would count as normal; rename it."
        )
    if not any(case.mask for case in found):
        raise InputError(
            f"no case under {root / 'cases'} has a mask of its own name in {root / 'masks'}; "
            "nothing can be measured without one."
        )
    return found


def _check_case(case: _Case, support: Sequence[Volume], modality: Modality | None) -> None:
    volume = read_volume(case.path, modality)
    _read_mask(case, volume)
    for study in support:
        if study.content_hash == volume.content_hash:
            raise InputError(
                f"{case.path} is the support study '{study.name}' too, and would find itself "
                "normal; take it out of one of the two folders."
            )


def _read_mask(case: _Case, volume: Volume) -> NDArray[np.bool_]:
    if case.mask is None:
        return np.zeros(volume.shape, bool)
    # A mask is no scan: read as MR, so that no HU are looked for in it.
    mask = read_volume(case.mask, Modality.MR)
    if mask.shape != volume.shape:
        raise InputError(
            f"mask {case.mask} has shape {mask.shape}, its case {volume.shape}; both need one grid."
        )
    corners = np.array([(*corner, 1) for corner in np.ndindex(2, 2, 2)])
    corners[:, :3] *= np.array(volume.shape) - 1
    apart = np.linalg.norm((corners @ (mask.affine - volume.affine).T)[:, :3], axis=1).max()
    if apart > min(volume.spacing) / 2:
        raise InputError(
            f"mask {case.mask} lies up to {apart:.1f} mm away from its case in the patient; both "
            "need one grid."
        )
    return mask.array > 0
