"""Volumes to measure on: ROOT/support, ROOT/cases, ROOT/masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.reading import find_studies, read_volume, study_name
from d24fad_core.volumes.volume import Modality, Volume


@dataclass(frozen=True)
class Case:
    """One study of the test.

    Attributes:
        name: its file's name.
        path: the study.
        mask: where its lesions are; None for a normal case.
    """

    name: str
    path: Path
    mask: Path | None


@dataclass(frozen=True)
class Cohort:
    """The files of a cohort.

    Attributes:
        support: normal studies.
        cases: at least one of them with a mask.
    """

    support: tuple[Path, ...]
    cases: tuple[Case, ...]


def find_cohort(root: Path) -> Cohort:
    """List a cohort's files.

    Raises:
        InputError: a folder is missing, a mask has no case, or no case has a mask.
    """
    for part in ("support", "cases", "masks"):
        if not (root / part).is_dir():
            raise InputError(
                f"no folder {root / part}",
                "the layout is ROOT/support, ROOT/cases and ROOT/masks/<case>.nii.gz for the "
                "cases with lesions.",
            )
    masks = {study_name(path): path for path in find_studies(root / "masks")}
    cases = tuple(
        Case(path.name, path, masks.pop(study_name(path), None))
        for path in find_studies(root / "cases")
    )
    if masks:
        raise InputError(
            f"{next(iter(masks.values()))} belongs to no case: {root / 'cases'} has none of that "
            "name. A case whose mask is not found would count as normal",
            "rename it.",
        )
    if not any(case.mask for case in cases):
        raise InputError(
            f"no case under {root / 'cases'} has a mask of its own name in {root / 'masks'}; "
            "nothing can be measured without one.",
            "Name each mask as its case.",
        )
    return Cohort(tuple(find_studies(root / "support")), cases)


def check_case(case: Case, support: Sequence[Volume], modality: Modality | None) -> None:
    """Read a case and its mask, and refuse what cannot be measured.

    An analysis takes hours; what is wrong with a file is better known before.

    Raises:
        InputError: a file cannot be read, the mask does not fit, or the case is in the support.
    """
    volume = read_volume(case.path, modality)
    read_lesions(case, volume)
    for study in support:
        if study.content_hash == volume.content_hash:
            raise InputError(
                f"{case.path} is the support study '{study.name}' too, and would find itself "
                "normal",
                "take it out of one of the two folders.",
            )


def read_lesions(case: Case, volume: Volume) -> NDArray[np.bool_]:
    """Where a case's lesions are, on the grid of its volume; nowhere for a normal case.

    Raises:
        InputError: the mask cannot be read, or lies on another grid.
    """
    if case.mask is None:
        return np.zeros(volume.shape, bool)
    # A mask is no scan: read as MR, so that no HU are looked for in it.
    mask = read_volume(case.mask, Modality.MR)
    if mask.shape != volume.shape:
        raise InputError(
            f"mask {case.mask} has shape {mask.shape}, its case {volume.shape}; both need one "
            "grid.",
            "Resample one of them to the grid of the other.",
        )
    corners = np.array([(*corner, 1) for corner in np.ndindex(2, 2, 2)])
    corners[:, :3] *= np.array(volume.shape) - 1
    apart = np.linalg.norm((corners @ (mask.affine - volume.affine).T)[:, :3], axis=1).max()
    if apart > min(volume.spacing) / 2:
        raise InputError(
            f"mask {case.mask} lies up to {apart:.1f} mm away from its case in the patient; both "
            "need one grid.",
            "Resample one of them to the grid of the other.",
        )
    return mask.array > 0
