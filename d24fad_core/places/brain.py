"""Where in the brain findings are: side and lobe or deep structure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.masking.coverage import Coverage, coverage_of
from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.masking.template_mask import template_brain
from d24fad_core.places.atlas import ATLAS_NAME, BrainAtlas, BrainRegion, brain_atlas
from d24fad_core.places.place import FindingPlace, RegionShare, Side, place_of
from d24fad_core.places.registration import BrainAlignment, register_brain
from d24fad_core.volumes.volume import BRAIN_MASKS, MaskKind, Modality, Volume

LEAST_LIKENESS = 0.35
"""Below it, names say nothing: the study is no brain, or the average brain missed it."""

CERTAIN_LIKENESS = 0.5
"""From it on, the average brain lay right in every person that was looked at."""


def align_brain(study: Volume) -> BrainAlignment | None:
    """Register the average brain to a study; None where it shows no brain.

    Args:
        study: as it was analysed. A head without a mask gets a template's for this; a study that
            was restricted to a mask file is taken for a brain where what is left looks like one.
    """
    if study.modality is not Modality.MR:
        return None
    try:
        brain = _brain_of(study)
        aligned = None if brain is None else register_brain(brain)
    except InputError:
        return None  # no foreground, or no brain in it: there is nothing to name
    return aligned if aligned is not None and aligned.likeness >= LEAST_LIKENESS else None


def brain_likeness(brain: Volume) -> float:
    """How like the average brain a study is, 0 to 1.

    Args:
        brain: an MR that shows a brain without its head.

    Raises:
        InputError: it has no foreground.
    """
    return max(register_brain(brain).likeness, 0.0)


def _brain_of(study: Volume) -> Volume | None:
    if study.mask is not None and study.mask.kind in BRAIN_MASKS:
        return study
    coverage = coverage_of(study)
    if coverage is Coverage.HEAD:
        return apply_mask(study, template_brain(study), MaskKind.TEMPLATE)
    return study if coverage is Coverage.BRAIN else None


def brain_places(
    findings: Sequence[NDArray[np.int64]], alignment: BrainAlignment
) -> tuple[FindingPlace | None, ...]:
    """Name where findings are.

    Args:
        findings: voxel indices (N, 3) of each, on the study's grid.
        alignment: of the study.

    Returns:
        One a finding; None for one that lies mostly outside the brain.
    """
    certain = alignment.likeness >= CERTAIN_LIKENESS
    to_mni = alignment.to_mni
    return tuple(
        place_of(
            shares_at(voxels @ to_mni[:3, :3].T + to_mni[:3, 3]),
            certain=certain,
            atlas=ATLAS_NAME,
        )
        for voxels in findings
    )


def shares_at(places: NDArray[np.float64]) -> tuple[RegionShare, ...]:
    """How many of the places (N, 3) in MNI mm each region holds."""
    labels = labels_at(places, brain_atlas())
    right = places[:, 0] > 0
    shares = []
    for region in BrainRegion:
        inside = labels == region.label
        if not inside.any():
            continue
        if region.has_side:
            shares += [
                RegionShare(region.value, side, float(np.mean(inside & on_side)))
                for side, on_side in ((Side.LEFT, ~right), (Side.RIGHT, right))
            ]
        else:
            shares.append(RegionShare(region.value, None, float(inside.mean())))
    return tuple(shares)


def labels_at(places: NDArray[np.float64], atlas: BrainAtlas) -> NDArray[np.uint8]:
    """Labels (N,) of places (N, 3) in MNI mm; 0 outside the brain."""
    to_voxel = np.linalg.inv(atlas.labels_affine)
    indices = np.rint(places @ to_voxel[:3, :3].T + to_voxel[:3, 3]).astype(int)
    within = ((indices >= 0) & (indices < np.array(atlas.labels.shape))).all(axis=1)
    labels = np.zeros(len(places), np.uint8)
    labels[within] = atlas.labels[tuple(indices[within].T)]
    return labels
