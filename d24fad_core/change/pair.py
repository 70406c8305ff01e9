"""Case and prior, brought together: one grid, one resolution, one scale of intensities."""

from dataclasses import dataclass, replace

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.change.acquisition import match_acquisition
from d24fad_core.change.registration import register_prior
from d24fad_core.change.resolution import blurred_to, resampled, rotation_of
from d24fad_core.errors import InputError
from d24fad_core.masking.masked_scan import background_value
from d24fad_core.regions import box_around
from d24fad_core.volumes.preprocessing import find_foreground
from d24fad_core.volumes.volume import Volume

_MARGIN = 3
"""Voxels around what is compared."""
_LEAST_ML = 1.0
_CONSTANT_SHARE = 0.2
_WHOLE = 0.97
"""Share of a blurred voxel that comes from where the study shows the patient."""


@dataclass(frozen=True, eq=False)
class RegisteredPair:
    """Two studies of a patient on the part of the case's grid where both show something.

    Attributes:
        box: where that part lies in the array of the case.
        case: (I, J, K) within the box, at the coarser resolution of both.
        prior: the same of the prior, as the scan of the case would have shown it.
        inside: boolean, what is compared.
        affine: 4x4 matrix from voxel index within the box to RAS mm.
        spacing: size of a voxel in mm.
        to_prior: rigid transform from points of the case to points of the prior, LPS mm.
    """

    box: tuple[slice, slice, slice]
    case: NDArray[np.float32]
    prior: NDArray[np.float32]
    inside: NDArray[np.bool_]
    affine: NDArray[np.float64]
    spacing: tuple[float, float, float]
    to_prior: sitk.Transform

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml."""
        return float(np.prod(self.spacing)) / 1000.0


def register_pair(case: Volume, prior: Volume) -> RegisteredPair:
    """Bring case and prior together.

    Args:
        case: the study that is analysed; of one that was masked, only the inside is compared.
        prior: an earlier study of the patient.

    Raises:
        InputError: one has no foreground, or they share next to nothing.
    """
    region = shown_region(case)
    to_prior = register_prior(case, prior, region)
    turn = rotation_of(to_prior)
    inside = _whole(case, region, prior, turn.T) > _WHOLE
    prior_share = _whole(prior, shown_region(prior), case, turn)
    inside &= _on_case(prior_share, prior, case, to_prior) > _WHOLE
    if np.count_nonzero(inside) * case.voxel_ml < _LEAST_ML:
        raise InputError(
            f"{case.name} and its prior {prior.name} share next to nothing",
            "check that both show the same part of the same patient.",
        )
    box = box_around(inside, (1.0, 1.0, 1.0), _MARGIN)
    corner = np.array([part.start for part in box], dtype=np.float64)
    affine = case.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ corner
    ours = np.ascontiguousarray(blurred_to(case, prior, turn.T)[box])
    theirs = resampled(
        blurred_to(prior, case, turn),
        prior.affine,
        (ours.shape[0], ours.shape[1], ours.shape[2]),
        affine,
        to_prior,
        outside=float(background_value(prior)),
    )
    within = np.ascontiguousarray(inside[box])
    theirs = match_acquisition(
        np.ascontiguousarray(theirs), ours, within, case.spacing, case.modality
    )
    return RegisteredPair(box, ours, theirs, within, affine, case.spacing, to_prior)


def _whole(
    study: Volume, region: NDArray[np.bool_], other: Volume, turn: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(I, J, K) 1 where nothing of a voxel comes from outside a region, once it is blurred."""
    inner = ndimage.binary_erosion(region, np.ones((3, 3, 3)), border_value=1)
    return blurred_to(replace(study, array=inner.astype(np.float32)), other, turn)


def _on_case(
    share: NDArray[np.float32], prior: Volume, case: Volume, to_prior: sitk.Transform
) -> NDArray[np.float32]:
    return resampled(
        share, prior.affine, case.shape, case.affine, to_prior, outside=0.0, smooth=False
    )


def shown_region(study: Volume) -> NDArray[np.bool_]:
    """(I, J, K) where a study shows the patient: its mask, or its foreground.

    Raises:
        InputError: it has no foreground.
    """
    if study.mask is not None:
        return study.mask.inside
    orientation = nibabel.orientations.io_orientation(study.affine)
    canonical = nibabel.orientations.apply_orientation(study.array, orientation)
    affine = study.affine @ nibabel.orientations.inv_ornt_aff(orientation, study.shape)
    first, second, third = (float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))
    foreground = find_foreground(canonical, (first, second, third), study.modality, study.name)
    fine = foreground.mask
    for axis, (step, length) in enumerate(zip(foreground.step, canonical.shape, strict=True)):
        fine = np.take(fine, np.minimum(np.arange(length) // step, fine.shape[axis] - 1), axis)
    back = nibabel.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], orientation)
    inside: NDArray[np.bool_] = nibabel.orientations.apply_orientation(fine, back) > 0
    background = background_value(study)
    empty = study.array == background
    # What was cut off by others leaves a constant behind; noise leaves none.
    return inside & ~empty if empty.mean() > _CONSTANT_SHARE else inside
