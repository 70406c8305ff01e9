"""From a study and its normals to log-odds of abnormality, by the support decoder."""

import torch
from torch import Tensor

from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.comparison.support_channels import from_slices, slice_inputs, support_channels
from d24fad_core.networks.support_decoder import SupportDecoder, TwofoldDecoder
from d24fad_core.progress import Progress, silent
from d24fad_core.volumes.volume import Plane

_BATCH = 16


def decode_twofold(
    decoder: TwofoldDecoder,
    study: Tensor,
    in_place: NormalStack,
    in_shape: NormalStack,
    progress: Progress = silent,
) -> Tensor:
    """Log-odds that each voxel is abnormal in the eyes of both decoders: the lower of the two.

    What a deformation explains, a larger ventricle, is normal; what only a deformation brings
    forth is an artefact of it.

    Args:
        decoder: in eval mode.
        study: see `decode_study`.
        in_place: the normals, aligned affinely.
        in_shape: the same in the shape of the study, see `comparison.deformation`.
        progress: told of each plane.
    """
    halves = [
        lambda step, share: progress(step, share / 2.0),
        lambda step, share: progress(step, (1.0 + share) / 2.0),
    ]
    return torch.minimum(
        decode_study(decoder.in_place, study, in_place, halves[0]),
        decode_study(decoder.in_shape, study, in_shape, halves[1]),
    )


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
        shown = torch.nonzero(slices[:, 0].flatten(1).any(dim=1))[:, 0]
        for start in range(0, len(shown), _BATCH):
            part = shown[start : start + _BATCH]
            inputs = slices[part].contiguous(memory_format=torch.channels_last)
            maps[part] = decoder(inputs)
        total += from_slices(maps, plane)
    return total / len(Plane)
