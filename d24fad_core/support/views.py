"""The normals of a study in the ways that the decoder is shown them."""

import SimpleITK as sitk
from torch import Tensor

from d24fad_core.comparison.deformation import align_to, field_between, warped
from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.comparison.resampling import mirrored
from d24fad_core.comparison.support_decoding import SupportViews
from d24fad_core.side_by_side import side_by_side
from d24fad_core.support.mirror import mirror_transform


def view_support(study: Tensor, normals: NormalStack, in_one_shape: NormalStack) -> SupportViews:
    """Bring normals and mirror image to a study.

    Args:
        study: (X, Y, Z) in the normals' units, see `NormalStack.fitted`.
        normals: aligned with it affinely.
        in_one_shape: the same, see `comparison.deformation.align_mutually`.
    """
    mean = in_one_shape.intensities.mean(0)

    def mirror() -> tuple[sitk.Transform, Tensor, Tensor]:
        to_mirror = mirror_transform(study)
        image = mirrored(study, to_mirror)
        alone = normals.with_intensities(image[None])
        return to_mirror, image, align_to(alone, study).intensities[0]

    (to_mirror, mirror_in_place, mirror_in_shape), field = side_by_side(
        mirror, lambda: field_between(study, mean)
    )
    return SupportViews(
        in_place=normals,
        in_shape=in_one_shape.with_intensities(warped(in_one_shape.intensities, field)),
        mirror_in_place=mirror_in_place,
        mirror_in_shape=mirror_in_shape,
        to_mirror=to_mirror,
    )
