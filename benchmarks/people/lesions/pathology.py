"""The first generator: composite lesions as radiologists see them on T1, made of tissue signal."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from benchmarks.people.cohorts import Study
from benchmarks.people.lesions import extended_lesions, focal_lesions
from benchmarks.people.lesions.anatomy import Anatomy
from benchmarks.people.lesions.canvas import Canvas
from d24fad_core.errors import InputError

_ATTEMPTS = 20
_SMALLEST_ML = 0.014
"""A ball of 3 mm."""
_TOUCHED = 1e-3
_CONSPICUITY = (0.45, 1.0)


class Kind(str, Enum):
    """A kind of pathology."""

    PLAQUES = "plaques"
    LACUNES = "lacunes"
    HAEMORRHAGE = "haemorrhage"
    CAVERNOMA = "cavernoma"
    MASS = "mass"
    EXTRA_AXIAL = "extra-axial mass"
    WEDGE_INFARCT = "wedge infarct"
    TERRITORY_INFARCT = "territory infarct"
    INFILTRATION = "infiltration"
    CONTUSION = "contusion"
    WHITE_MATTER = "white-matter change"
    DYSPLASIA = "dysplasia"


_DRAWN: dict[Kind, Callable[[Canvas, float], None]] = {
    Kind.PLAQUES: focal_lesions.plaques,
    Kind.LACUNES: focal_lesions.lacunes,
    Kind.HAEMORRHAGE: focal_lesions.haemorrhage,
    Kind.CAVERNOMA: focal_lesions.cavernoma,
    Kind.MASS: focal_lesions.mass,
    Kind.EXTRA_AXIAL: focal_lesions.extra_axial,
    Kind.WEDGE_INFARCT: extended_lesions.wedge_infarct,
    Kind.TERRITORY_INFARCT: extended_lesions.territory_infarct,
    Kind.INFILTRATION: extended_lesions.infiltration,
    Kind.CONTUSION: extended_lesions.contusion,
    Kind.WHITE_MATTER: extended_lesions.white_matter_change,
    Kind.DYSPLASIA: extended_lesions.dysplasia,
}


@dataclass(frozen=True, eq=False)
class PlantedStudy:
    """A person's study with a lesion.

    Attributes:
        array: signal on the grid of the person's study.
        mask: True inside lesions, on that grid.
        kind: what the lesion is.
        contrast: mean change inside the mask, in units of white less grey matter.
    """

    array: NDArray[np.float32]
    mask: NDArray[np.bool_]
    kind: str
    contrast: float


def plant_pathology(
    study: Study, anatomy: Anatomy, kind: Kind, rng: np.random.Generator
) -> PlantedStudy:
    """Plant one kind of pathology.

    Args:
        study: the person.
        anatomy: what `analyse` says of the study.
        kind: what to plant.
        rng: draws everything else.

    Raises:
        InputError: no attempt gave a lesion inside the brain.
    """
    for _ in range(_ATTEMPTS):
        canvas = Canvas(anatomy, rng)
        _DRAWN[kind](canvas, float(rng.uniform(*_CONSPICUITY)))
        planted = finish(study, anatomy, canvas, kind.value)
        if planted.mask.sum() * anatomy.voxel_ml >= _SMALLEST_ML:
            return planted
    raise InputError(
        f"{study.volume.name}: {_ATTEMPTS} attempts gave no {kind.value} inside the brain",
        "check that the mask is a brain.",
    )


def finish(study: Study, anatomy: Anatomy, canvas: Canvas, kind: str) -> PlantedStudy:
    """Bring a canvas back into its study, with the bias field."""
    array = study.volume.array.copy()
    mask = np.zeros(array.shape, bool)
    mask[anatomy.box] = (canvas.share >= 0.5) & anatomy.brain
    fluid, grey, white = anatomy.levels
    # Far from a lesion a voxel stays what it was, to the last bit.
    touched = np.abs(canvas.signal - anatomy.signal) > _TOUCHED * (white - fluid)
    touched &= anatomy.brain
    array[anatomy.box][touched] = (canvas.signal * anatomy.field)[touched]
    change = np.abs(canvas.signal - anatomy.signal)[mask[anatomy.box]]
    contrast = float(change.mean() / (white - grey)) if change.size else 0.0
    return PlantedStudy(array, mask, kind, contrast)
