"""Taking out of the prior what its acquisition, not the patient, made different.

First gain and offset, by the fit whose trimmed rest holds the changes; then the ratio of the two
bias fields, a smooth field of gains that is fitted to the voxels that agree.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from d24fad_core.change.resolution import blurred
from d24fad_core.comparison.intensity_match import match_intensities
from d24fad_core.volumes.reduction import block_means
from d24fad_core.volumes.volume import Modality

_FIELD_MM = 20.0
_FIELD_VOXEL_MM = 4.0
_ROUNDS = 2
_FIELD_ROUNDS = 5
_AGREEING = 0.8
_LARGEST_GAIN = 2.0


def match_acquisition(
    prior: NDArray[np.float32],
    case: NDArray[np.float32],
    inside: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    modality: Modality,
) -> NDArray[np.float32]:
    """The prior as the scan of the case would have shown it.

    Args:
        prior: (I, J, K) at the places of the case.
        case: the same of the case.
        inside: what is compared.
        spacing: size of a voxel in mm.
        modality: values of CT are absolute and stay as they are.
    """
    if modality is Modality.CT:
        return prior
    matched = _linear(prior, case, inside)
    for _ in range(_ROUNDS):
        matched = (matched * _field(matched, case, inside, spacing)).astype(np.float32)
        matched = _linear(matched, case, inside)
    return matched


def _linear(
    prior: NDArray[np.float32], case: NDArray[np.float32], inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The prior by gain and offset.

    Least squares takes noise of what it maps for a smaller gain, and bright lesions would seem to
    change; so each study is fitted to the other, and the geometric mean of both gains counts.
    """
    one, other, within = (torch.from_numpy(part) for part in (prior, case, inside))
    there, back = match_intensities(one, other, within), match_intensities(other, one, within)
    if there.gain <= 0 or back.gain <= 0:
        return prior * np.float32(there.gain) + np.float32(there.offset)
    gain = float(np.sqrt(there.gain / back.gain))
    middle = float(np.median(prior[inside]))
    target = (there.gain * middle + there.offset + (middle - back.offset) / back.gain) / 2.0
    return prior * np.float32(gain) + np.float32(target - gain * middle)


def _field(
    prior: NDArray[np.float32],
    case: NDArray[np.float32],
    inside: NDArray[np.bool_],
    spacing: tuple[float, float, float],
) -> NDArray[np.float32]:
    """(I, J, K) the gain that brings the prior to the case at each place, about 1."""
    factors = tuple(max(1, round(_FIELD_VOXEL_MM / size)) for size in spacing)
    steps = (factors[0], factors[1], factors[2])
    shares = block_means(inside.astype(np.float32), steps)
    one, other = (
        block_means(np.where(inside, part, np.float32(0.0)), steps) for part in (prior, case)
    )
    sizes = (spacing[0] * steps[0], spacing[1] * steps[1], spacing[2] * steps[2])
    considered = shares > 0.5
    weights = considered.astype(np.float32)
    gain = np.ones_like(one)
    for _ in range(_FIELD_ROUNDS):
        now = gain * one
        above = blurred(weights * now * other, _FIELD_MM, sizes)
        below = blurred(weights * now * now, _FIELD_MM, sizes)
        # Near the rim a blur sees one side alone; what it leaves, the next round takes.
        more = np.where(below > 1e-9, above / np.maximum(below, 1e-9), 1.0)
        gain = np.clip(gain * more, 1 / _LARGEST_GAIN, _LARGEST_GAIN)
        errors = np.abs(gain * one - other)
        weights = (considered & (errors <= np.quantile(errors[considered], _AGREEING))).astype(
            np.float32
        )
    return _enlarged(gain.astype(np.float32), prior.shape, steps)


def _enlarged(
    coarse: NDArray[np.float32], shape: tuple[int, ...], steps: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Values of blocks, linearly between their centres."""
    fine = coarse
    for axis, (length, step) in enumerate(zip(shape, steps, strict=True)):
        places = (np.arange(length) - (step - 1) / 2.0) / step
        low = np.clip(np.floor(places).astype(int), 0, fine.shape[axis] - 1)
        high = np.minimum(low + 1, fine.shape[axis] - 1)
        share = np.clip(places - low, 0.0, 1.0).astype(np.float32)
        share = share.reshape([-1 if other == axis else 1 for other in range(3)])
        fine = np.take(fine, low, axis) * (1 - share) + np.take(fine, high, axis) * share
    return fine
