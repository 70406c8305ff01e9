"""From a study and its normals to log-odds of abnormality, by the support decoder."""

from collections.abc import Sequence
from dataclasses import dataclass

import SimpleITK as sitk
import torch
from torch import Tensor

from d24fad_core.comparison.cubes import cube_maxima, cube_opening
from d24fad_core.comparison.normal_response import NormalResponse
from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.comparison.resampling import mirrored
from d24fad_core.comparison.support_channels import from_slices, slice_inputs, support_channels
from d24fad_core.networks.support_decoder import SupportDecoder, TwofoldDecoder
from d24fad_core.progress import Progress, silent
from d24fad_core.volumes.volume import Plane

DECODING_SCHEMA = 5
"""Raised whenever the same decoder says something else: results of before are then void."""

_BATCH = 8
"""Slices at a time: more leave the processor's cache, fewer keep it waiting. Measured on CPU."""

_MIRROR_WEIGHT = 0.25
# Sides lie upon each other to within two voxels.
_OPPOSITE_WIDTH = 5
_CLEARLY = 4.0
"""Log-odds beside the normals by which the other side is the abnormal one."""
_NO_DOUBT = -6.0
"""What the decoder says of a voxel that does not differ at all."""


@dataclass(frozen=True, eq=False)
class SupportViews:
    """What a study is compared with, see `support.views.view_support`.

    Attributes:
        in_place: the normals, aligned affinely.
        in_shape: the same in the shape of the study, see `comparison.deformation`.
        mirror_in_place: (X, Y, Z) the study's own mirror image, laid upon it rigidly.
        mirror_in_shape: the same in the shape of the study.
        to_mirror: what laid it there, see `resampling.mirrored`.
    """

    in_place: NormalStack
    in_shape: NormalStack
    mirror_in_place: Tensor
    mirror_in_shape: Tensor
    to_mirror: sitk.Transform


def decode(
    decoder: TwofoldDecoder, study: Tensor, views: SupportViews, progress: Progress = silent
) -> Tensor:
    """Log-odds that each voxel is abnormal beside the normals and beside the other side.

    The mirror image is one more normal. Of the two decoders the milder counts: what a deformation
    explains, a larger ventricle, is normal; what only a deformation brings forth is an artefact
    of it. The difference from the mirror image alone counts a quarter beside that, but not where
    the other side is clearly the abnormal one: opposite a lesion, sides differ as much as in it.
    What is thinner than three voxels, as the error of an alignment along a fold is, counts half.

    Args:
        decoder: in eval mode.
        study: see `decode_study`.
        views: what it is compared with.
        progress: told of each plane.
    """
    in_place = views.in_place.with_intensities(
        torch.cat([views.in_place.intensities, views.mirror_in_place[None]])
    )
    in_shape = views.in_shape.with_intensities(
        torch.cat([views.in_shape.intensities, views.mirror_in_shape[None]])
    )
    other_side = views.in_shape.with_intensities(views.mirror_in_shape[None])
    first, second, third = _thirds(progress)
    beside_normals = torch.minimum(
        decode_study(decoder.in_place, study, in_place, first),
        decode_study(decoder.in_shape, study, in_shape, second),
    )
    beside_mirror = decode_study(decoder.in_shape, study, other_side, third)
    blameless = opposite_is_abnormal(beside_normals, views.to_mirror)
    counted = torch.where(blameless, beside_mirror.clamp_max(_NO_DOUBT), beside_mirror)
    return _half_opened(beside_normals + _MIRROR_WEIGHT * counted)


def opposite_is_abnormal(beside_normals: Tensor, to_mirror: sitk.Transform) -> Tensor:
    """Where the other side of the head is clearly more abnormal beside the normals, (X, Y, Z) bool.

    Args:
        beside_normals: (X, Y, Z) log-odds.
        to_mirror: see `SupportViews`.
    """
    lowest = beside_normals.min()
    opposite = mirrored(beside_normals - lowest, to_mirror) + lowest
    return cube_maxima(opposite, _OPPOSITE_WIDTH) > beside_normals + _CLEARLY


def _half_opened(values: Tensor) -> Tensor:
    """Values (X, Y, Z) of which those of places thinner than three voxels count half."""
    return (values + cube_opening(values, 3)) / 2.0


def decode_evenly(
    decoder: TwofoldDecoder,
    study: Tensor,
    views: SupportViews,
    response: NormalResponse | None,
    progress: Progress = silent,
) -> Tensor:
    """What `decode` says, as it would be at an average place.

    Evening lifts what is thin and lies where people hardly differ; it counts half once more.

    Args:
        decoder: in eval mode.
        study: see `decode_study`.
        views: what it is compared with.
        response: what untouched people show; None leaves the log-odds as `decode` gives them.
        progress: told of each plane.
    """
    decoded = decode(decoder, study, views, progress)
    return decoded if response is None else _half_opened(response.evened(decoded))


@torch.inference_mode()
def decode_study(
    decoder: SupportDecoder, study: Tensor, normals: NormalStack, progress: Progress = silent
) -> Tensor:
    """Log-odds that each voxel is abnormal: the mean over the slices of all three planes.

    Args:
        decoder: in eval mode.
        study: (X, Y, Z) in the normals' units, from `NormalStack.fitted`; 0 outside.
        normals: what it is compared with.
        progress: told of each plane.

    Returns:
        (X, Y, Z) float32; the value of an empty place outside the study.
    """
    channels = support_channels(study, normals.intensities, study > 0)
    total = torch.zeros_like(study)
    for number, plane in enumerate(Plane):
        progress(f"comparing with the normals, {plane.value}", number / len(Plane))
        slices = slice_inputs(channels, plane)
        maps = torch.zeros(len(slices), *slices.shape[-2:])
        # Slices without the patient teach nothing and cost as much.
        occupied = torch.nonzero(slices[:, 0].flatten(1).any(dim=1))[:, 0]
        for start in range(0, len(occupied), _BATCH):
            part = occupied[start : start + _BATCH]
            inputs = slices[part].contiguous(memory_format=torch.channels_last)
            maps[part] = decoder(inputs)
        total += from_slices(maps, plane)
    return total / len(Plane)


def _thirds(progress: Progress) -> Sequence[Progress]:
    def part(number: int) -> Progress:
        return lambda step, share: progress(step, (number + share) / 3.0)

    return [part(number) for number in range(3)]
