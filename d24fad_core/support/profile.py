"""The profile of a study: its resolution, its size and a small picture, compared as a whole."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.files import whole_file

PROFILE_SCHEMA = 1
"""Raised whenever the same study in the same frame gets another profile: kept ones are void."""

_BROAD_MM = 4.0
"""Gaussian sigma of the broad shapes that all bodies share."""
_TRIPLES = ("spacing_mm", "extent_mm", "picture_spacing_mm")


@dataclass(frozen=True, eq=False)
class StudyProfile:
    """A study in a frame, in a few numbers.

    Attributes:
        spacing_mm: voxel size of the study along right, anterior and superior.
        extent_mm: size of its foreground along the same.
        similarity: correlation with the frame's own study after alignment.
        picture: the study at about 4 mm, its window of intensities brought to 0 to 1, on the grid
            of `Frame.coarse`; float32, (Z, Y, X).
        picture_spacing_mm: voxel size of the picture along X, Y and Z.
    """

    spacing_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    similarity: float
    picture: NDArray[np.float32]
    picture_spacing_mm: tuple[float, float, float]

    @cached_property
    def detail(self) -> NDArray[np.float64]:
        """What distinguishes the study, (Z, Y, X): see `detail_of`."""
        return detail_of(self.picture, self.picture_spacing_mm)


def detail_of(picture: NDArray[np.float32], spacing: Sequence[float]) -> NDArray[np.float64]:
    """A picture without broad shapes, of mean 0.

    Args:
        picture: (Z, Y, X).
        spacing: its voxel size along X, Y and Z in mm.
    """
    values = picture.astype(np.float64)
    detail = values - ndimage.gaussian_filter(values, [_BROAD_MM / step for step in spacing[::-1]])
    centred: NDArray[np.float64] = detail - detail.mean()
    return centred


def save_profile(profile: StudyProfile, path: Path) -> None:
    """Write a profile, whole or not at all."""
    values = {name: getattr(profile, name) for name in (*_TRIPLES, "similarity")}
    tensors = {"picture": torch.from_numpy(np.ascontiguousarray(profile.picture))}
    with whole_file(path) as temporary:
        save_tensors(tensors, temporary, {"values": json.dumps(values)})


def load_profile(path: Path) -> StudyProfile | None:
    """Read a profile; None where the file is absent or not readable.

    Like any cache, one that cannot be read is no error: the profile is made again.
    """
    try:
        with open_tensors(path) as tensors:
            values = json.loads(tensors.metadata()["values"])
            picture = tensors.get_array("picture")
        spacing, extent, picture_spacing = (
            (float(first), float(second), float(third))
            for first, second, third in (values[name] for name in _TRIPLES)
        )
        return StudyProfile(spacing, extent, float(values["similarity"]), picture, picture_spacing)
    except (OSError, KeyError, ValueError, TypeError):
        return None
