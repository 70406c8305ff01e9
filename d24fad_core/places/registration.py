"""The average brain, registered to a study's."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.places.atlas import brain_atlas
from d24fad_core.support.frame import (
    AlignedStudy,
    Frame,
    align,
    make_frame_of_voxels,
)
from d24fad_core.volumes.reduction import block_means, reduced_affine
from d24fad_core.volumes.volume import Modality, Volume, spacing_of

_SPACING_MM = 4.0
_EVEN_MM = 24.0
_FOREGROUND = 0.12
_WINDOW = "brain"
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class BrainAlignment:
    """How a study's brain lies in MNI space.

    Attributes:
        to_mni: 4x4 from voxel index of the study to MNI mm.
        likeness: correlation of the study with the average brain in the study's contrast, within
            the average brain; 1 for the same.
    """

    to_mni: NDArray[np.float64]
    likeness: float


def register_brain(brain: Volume) -> BrainAlignment:
    """Register the average brain to a brain.

    The average brain gets the contrast of the study first: grey matter, white matter and fluid are
    given what the study shows in them when the boxes of both are laid upon each other. So one
    affine registration by correlation serves T1, T2 and FLAIR.

    Args:
        brain: an MR of a brain without its head.

    Raises:
        InputError: the study has no foreground.
    """
    affine = brain.affine
    brain = _even(brain)
    frame = _average_frame()
    by_boxes = align(brain, frame, _WINDOW, register=False)
    like_boxes = _with_contrast(frame, by_boxes)
    first = align(brain, like_boxes, _WINDOW, register=True, roughly=True)
    # Once more, now that tissues lie where they are.
    target = _with_contrast(frame, first)
    aligned = align(brain, target, _WINDOW, register=True)
    to_study = _matrix(aligned.to_study)
    to_mni = _LPS @ np.linalg.inv(to_study) @ _LPS @ affine
    return BrainAlignment(to_mni, _likeness(aligned, target))


def _even(brain: Volume) -> Volume:
    """A brain at about 4 mm, its brightness evened out: coils light one end more than the other."""
    factors = np.maximum(np.rint(_SPACING_MM / np.array(brain.spacing)), 1)
    first, second, third = (int(factor) for factor in np.minimum(factors, brain.shape))
    array = block_means(brain.array, (first, second, third))
    affine = reduced_affine(brain.affine, (first, second, third))
    dark = float(array.min())
    array = array - dark
    inside = array > _FOREGROUND * np.percentile(array, 99)
    sigma = _EVEN_MM / np.array(spacing_of(affine))
    light = ndimage.gaussian_filter(np.where(inside, array, 0.0), sigma)
    share = ndimage.gaussian_filter(inside.astype(np.float32), sigma)
    even = np.where(inside, array / np.maximum(light / np.maximum(share, 1e-3), 1e-6), 0.0)
    return Volume(np.asfortranarray(even, np.float32), affine, brain.modality, brain.name)


@lru_cache(maxsize=1)
def _average_frame() -> Frame:
    atlas = brain_atlas()
    grey, white, fluid = np.moveaxis(atlas.tissues, -1, 0)
    array = np.asfortranarray(0.7 * grey + white + 0.25 * fluid, dtype=np.float32)
    average = Volume(array, atlas.tissues_affine, Modality.MR, "average brain")
    return make_frame_of_voxels(average, _SPACING_MM, _WINDOW)


def _with_contrast(frame: Frame, aligned: AlignedStudy) -> Frame:
    """The average brain, its tissues as bright as an aligned study shows them."""
    tissues = _tissues()
    inside = tissues.sum(axis=-1) > 0.5
    picture = aligned.profile.picture
    brightness, *_ = np.linalg.lstsq(tissues[inside], picture[inside], rcond=None)
    image = sitk.GetImageFromArray((tissues @ brightness).astype(np.float32))
    image.CopyInformation(frame.coarse)
    return replace(frame, coarse=image)


def _tissues() -> NDArray[np.float32]:
    """(Z, Y, X, 3) shares of grey matter, white matter and fluid, on the grid of the frame."""
    return brain_atlas().tissues.transpose(2, 1, 0, 3)


def _likeness(aligned: AlignedStudy, frame: Frame) -> float:
    inside = _tissues().sum(axis=-1) > 0.5
    expected = sitk.GetArrayViewFromImage(frame.coarse)[inside]
    brightness = aligned.profile.picture[inside]
    if expected.std() == 0 or brightness.std() == 0:
        return 0.0
    return float(np.corrcoef(expected, brightness)[0, 1])


def _matrix(transform: sitk.Transform) -> NDArray[np.float64]:
    """4x4 of an affine transform, LPS mm."""
    ends = np.vstack([np.zeros(3), np.eye(3)])
    moved = np.array([transform.TransformPoint(end.tolist()) for end in ends])
    matrix = np.eye(4)
    matrix[:3, :3] = (moved[1:] - moved[0]).T
    matrix[:3, 3] = moved[0]
    return matrix
