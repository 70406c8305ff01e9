"""Masks that users drew or had made elsewhere."""

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.known_studies import StudySource
from d24fad_core.io.reading import find_studies, read_volume, study_name
from d24fad_core.volumes.volume import Modality, Volume

_TOLERANCE_MM = 0.1
_SUFFIX = "-mask"


def read_mask(path: Path, study: Volume, largest: int | None = None) -> NDArray[np.bool_]:
    """Read a mask; every voxel above 0 is inside.

    Args:
        path: a file of any format that studies may have.
        study: the scan that it is for.
        largest: as the study was read; of a reduced scan a block counts where any of it is inside.

    Returns:
        (I, J, K) boolean, on the grid of the study.

    Raises:
        InputError: it cannot be read, is empty, or lies on another grid.
    """
    mask = read_volume(path, Modality.MR, largest)
    if mask.shape != study.shape:
        raise InputError(
            f"{path}: a mask of {_times(mask.shape)} voxels is not on the grid of {study.name}, "
            f"which has {_times(study.shape)}",
            "resample it to the study's grid (nearest neighbour).",
        )
    corners = _corners(study.shape)
    distance = np.abs(
        nibabel.affines.apply_affine(mask.affine, corners)
        - nibabel.affines.apply_affine(study.affine, corners)
    ).max()
    if distance > _TOLERANCE_MM:
        raise InputError(
            f"{path}: the mask lies up to {distance:.1f} mm off the grid of {study.name}",
            "resample it to the study's grid (nearest neighbour), or copy the study's header to "
            "it where only the header is wrong.",
        )
    inside: NDArray[np.bool_] = mask.array > 0
    return inside


def find_support_masks(folder: Path, normals: Sequence[StudySource]) -> list[Path]:
    """The mask of each normal in a folder: a file named as the study, or with `-mask` behind it.

    Raises:
        InputError: the folder does not exist, or lacks the mask of a normal.
    """
    by_name = {study_name(path): path for path in find_studies(folder)}
    paths = [by_name.get(study.name, by_name.get(study.name + _SUFFIX)) for study in normals]
    missing = [study.name for study, path in zip(normals, paths, strict=True) if path is None]
    if missing:
        raise InputError(
            f"{folder}: no mask of {', '.join(missing)}",
            f"name each mask as its normal study, such as {missing[0]}.nii.gz or "
            f"{missing[0]}{_SUFFIX}.nii.gz.",
        )
    return [path for path in paths if path is not None]


def _corners(shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Indices of the eight corners of a grid."""
    corners: NDArray[np.int64] = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1)
    return corners


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape)
