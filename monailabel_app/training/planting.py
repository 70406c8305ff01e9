"""Simulated lesions planted in normal studies, of any part of the body."""

from dataclasses import replace

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.simulation.anatomy import Anatomy
from d24fad_core.simulation.lesions import LesionKind, sample_lesions
from d24fad_core.volumes.preprocessing import find_foreground, intensity_range
from d24fad_core.volumes.volume import Volume

KINDS = (LesionKind.MASS, LesionKind.REGION)
"""One bright mass and one dark region a study."""


def plant(study: Volume, kind: LesionKind, seed: int) -> tuple[Volume, NDArray[np.bool_]]:
    """Plant a simulated lesion in a normal study.

    Args:
        study: the normal study.
        kind: a mass, as bright as the brightest tissue, or a region, as dark as the darkest.
        seed: drives place, size and outline.

    Returns:
        The study in RAS order with the lesion, and where the lesion is.

    Raises:
        InputError: the study has no foreground.
    """
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(study.array, study.affine))
    array, affine = np.asarray(canonical.dataobj, np.float32), canonical.affine
    ordered = replace(study, array=array, affine=affine)
    foreground = find_foreground(array, ordered.spacing, study.modality, study.name)
    body = foreground.mask
    # Lesions are drawn on the foreground's grid of about 3 mm: a large scan costs no more.
    tissue = body.astype(np.float32)
    nothing = np.zeros_like(tissue)
    anatomy = Anatomy(
        grey_matter=nothing,
        white_matter=tissue,
        fluid=1.0 - tissue,
        texture=nothing,
        brain=body,
        affine=affine @ np.diag([*foreground.step, 1.0]),
    )
    coarse, _ = sample_lesions(anatomy, kind, np.random.default_rng(seed))
    share = ndimage.affine_transform(
        coarse, 1.0 / np.array(foreground.step), output_shape=array.shape, order=1, mode="nearest"
    )
    low, high = intensity_range(array, foreground, study.modality, "body")
    signal = high if kind is LesionKind.MASS else low
    planted = ((1.0 - share) * array + share * signal).astype(np.float32)
    return replace(ordered, array=planted), share > 0.5 * coarse.max()
