"""The normals of a study in the ways that the decoder is shown them."""

from torch import Tensor

from d24fad_core.comparison.deformation import align_to, deform_to
from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.comparison.support_decoding import SupportViews
from d24fad_core.support.mirror import mirror_image


def view_support(study: Tensor, normals: NormalStack, in_one_shape: NormalStack) -> SupportViews:
    """Bring normals and mirror image to a study.

    Args:
        study: (X, Y, Z) in the normals' units, see `NormalStack.fitted`.
        normals: aligned with it affinely.
        in_one_shape: the same, see `comparison.deformation.align_mutually`.
    """
    mirror = mirror_image(study)
    beside = normals.with_intensities(mirror[None])
    return SupportViews(
        in_place=normals,
        in_shape=deform_to(in_one_shape, study),
        mirror_in_place=mirror,
        mirror_in_shape=align_to(beside, study).intensities[0],
    )
