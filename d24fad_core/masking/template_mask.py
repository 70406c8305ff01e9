"""A brain mask without a network: the average brain, registered to a head.

The average brain comes without its head, and a brain laid on a head's box is far too large. So it
is given a rim of skull and scalp of its own, it starts below the top of the head, and an affine
registration looks at no more than brain and rim: what lies beyond differs too much from head to
head. It maximises the squared correlation, which also takes an inverted contrast; by mutual
information brains shrank into their rims.
"""

from dataclasses import dataclass
from functools import lru_cache

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.errors import InputError
from d24fad_core.support.frame import to_simpleitk
from d24fad_core.support.registration import coarse_to_fine, optimised, registration
from d24fad_core.volumes.preprocessing import find_foreground
from d24fad_core.volumes.reduction import block_means, reduced_affine
from d24fad_core.volumes.volume import Volume, spacing_of

_SPACING_MM = 4.0
_FINE = 2
_SKULL_MM = 8.0
_SCALP_MM = 14.0
_LEVELS = {"grey": 0.7, "white": 1.0, "fluid": 0.25, "skull": 0.1, "scalp": 0.85}
_RIM_MM = 4.0
_CROWN_MM = 90.0
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class _HeadModel:
    """The average brain with a rim.

    Attributes:
        image: T1-like, 0 to 1.
        looked_at: 1 in brain and rim.
        depth: mm below the brain's surface, negative outside.
        low: lowest corner of the brain, RAS mm.
        high: highest corner.
    """

    image: sitk.Image
    looked_at: sitk.Image
    depth: sitk.Image
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Head:
    """A head at about 4 mm, and where the part above the ears lies, RAS mm."""

    image: sitk.Image
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def template_brain(volume: Volume) -> NDArray[np.bool_]:
    """The brain of a head by the average brain's.

    Args:
        volume: an MR of a whole head.

    Returns:
        (I, J, K) boolean, on the grid of the scan.

    Raises:
        InputError: the scan has no foreground, or the average brain finds no place in it.
    """
    model, head = _head_model(), _coarse_head(volume)
    to_head = _register(model, head, _start(model, head))
    if to_head is None:
        raise InputError(
            f"{volume.name}: the average brain could not be registered to this head",
            "give a mask file, or leave brain masks out.",
        )
    grid = to_simpleitk(np.zeros(volume.shape, np.float32), volume.affine)
    depth = sitk.Resample(model.depth, grid, to_head.GetInverse(), sitk.sitkLinear, -100.0)
    inside: NDArray[np.bool_] = sitk.GetArrayViewFromImage(depth).transpose(2, 1, 0) > -_RIM_MM
    return inside


@lru_cache(maxsize=1)
def _head_model() -> _HeadModel:
    # nilearn takes seconds to import, and only this mask and simulation need it.
    from d24fad_core.simulation.template import average_brain

    template = average_brain()
    low, high = template.bounding_box
    maps = [template.grey_matter, template.white_matter, template.fluid]
    fine = (_FINE, _FINE, _FINE)
    pad = int(_SCALP_MM / _FINE) + 3
    grey, white, fluid = (np.pad(block_means(part, fine), pad) for part in maps)
    affine = reduced_affine(template.affine, fine)
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, pad)
    brain = ndimage.binary_fill_holes(grey + white + fluid > 0.5)
    outside = ndimage.distance_transform_edt(~brain) * _FINE
    depth = np.where(brain, ndimage.distance_transform_edt(brain) * _FINE, -outside)
    depth -= np.sign(depth) * _FINE / 2  # distances are to voxel centres beyond the surface
    image = _LEVELS["grey"] * grey + _LEVELS["white"] * white + _LEVELS["fluid"] * fluid
    image = np.where((outside > 0) & (outside <= _SKULL_MM), _LEVELS["skull"], image)
    image = np.where((outside > _SKULL_MM) & (outside <= _SCALP_MM), _LEVELS["scalp"], image)
    coarse_image, coarse_rim = (
        sitk.BinShrink(to_simpleitk(part.astype(np.float32), affine), [2] * 3)
        for part in (image, outside <= _SCALP_MM)
    )
    return _HeadModel(
        coarse_image,
        sitk.Cast(coarse_rim > 0.5, sitk.sitkUInt8),
        to_simpleitk(depth.astype(np.float32), affine),
        low,
        high,
    )


def _coarse_head(volume: Volume) -> _Head:
    orientation = nibabel.orientations.io_orientation(volume.affine)
    canonical = nibabel.orientations.apply_orientation(volume.array, orientation)
    affine = volume.affine @ nibabel.orientations.inv_ornt_aff(orientation, volume.shape)
    spacing = spacing_of(affine)
    foreground = find_foreground(canonical, spacing, volume.modality, volume.name)
    step = np.array(foreground.step)
    # The crown alone: ears, nose and neck differ from head to head and scan to scan.
    deep = max(int(_CROWN_MM / (spacing[2] * step[2])), 1)
    top = np.flatnonzero(foreground.mask.any(axis=(0, 1)))[-1] + 1
    crown = foreground.mask.copy()
    crown[:, :, : max(top - deep, 0)] = False
    voxels = np.argwhere(crown)
    box = np.stack([voxels.min(axis=0), voxels.max(axis=0) + 1]) * step - 0.5
    corners = nibabel.affines.apply_affine(affine, box)
    inside = canonical[:: step[0], :: step[1], :: step[2]][foreground.mask]
    bottom, ceiling = float(canonical.min()), float(np.percentile(inside, 99.0))
    factors = np.maximum(np.round(_SPACING_MM / np.array(volume.spacing)), 1)
    factors = np.minimum(factors, volume.shape).astype(int)
    shrunk = sitk.BinShrink(to_simpleitk(volume.array, volume.affine), factors.tolist())
    scaled = sitk.Clamp((shrunk - bottom) / (ceiling - bottom), sitk.sitkFloat32, 0.0, 1.0)
    return _Head(scaled, corners.min(axis=0), corners.max(axis=0))


def _start(model: _HeadModel, head: _Head) -> sitk.AffineTransform:
    """The brain below the crown: as wide and long as it is within its skull."""
    scale = (head.high - head.low - 2 * _SCALP_MM)[:2] / (model.high - model.low)[:2]
    scales = np.clip([*scale, scale.mean()], 0.6, 1.3)
    centre = (model.low + model.high) / 2
    place = (head.low + head.high) / 2
    place[2] = head.high[2] - _SCALP_MM - (model.high - centre)[2] * scales[2]
    transform = sitk.AffineTransform(3)
    transform.SetCenter((_LPS[:3, :3] @ centre).tolist())
    transform.SetMatrix(np.diag(scales).flatten().tolist())
    transform.SetTranslation((_LPS[:3, :3] @ (place - centre)).tolist())
    return transform


def _register(
    model: _HeadModel, head: _Head, start: sitk.AffineTransform
) -> sitk.AffineTransform | None:
    """Affine registration of model to head; None where the optimiser loses the overlap."""
    method = registration(step=2.0, least_step=1e-3, rounds=100)
    method.SetMetricFixedMask(model.looked_at)
    coarse_to_fine(method)
    return optimised(method, model.image, head.image, start)
