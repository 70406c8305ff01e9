"""Which brain mask a head gets."""

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.masking.choice import BrainMask
from d24fad_core.masking.coverage import BRAIN_ML
from d24fad_core.masking.deepbet import deepbet_brain, deepbet_version
from d24fad_core.masking.template_mask import template_brain
from d24fad_core.volumes.volume import MaskKind, Volume

MASK_VERSION = 2
"""Raised whenever a method gives another mask of the same head: kept ones are then void."""


def brain_mask_kind(choice: BrainMask) -> MaskKind:
    """The method behind a choice.

    Raises:
        ConfigurationError: deepbet was chosen and is not installed.
    """
    installed = deepbet_version() is not None
    if choice is BrainMask.DEEPBET and not installed:
        raise ConfigurationError(
            "brain mask 'deepbet': deepbet is not installed",
            "pip install 'd24fad[brain]', or choose 'template'.",
        )
    by_network = choice is not BrainMask.TEMPLATE and installed
    return MaskKind.DEEPBET if by_network else MaskKind.TEMPLATE


def method_version(kind: MaskKind) -> str:
    """What a kept mask depends on beside its scan."""
    installed = deepbet_version() if kind is MaskKind.DEEPBET else None
    return f"{MASK_VERSION} {installed or ''}"


def brain_mask(volume: Volume, kind: MaskKind) -> NDArray[np.bool_]:
    """The brain of a head.

    Args:
        volume: an MR of a whole head.
        kind: `DEEPBET` or `TEMPLATE`.

    Returns:
        (I, J, K) boolean, on the grid of the scan.

    Raises:
        InputError: there is no brain in it that could be told from the rest.
        ConfigurationError: deepbet is not installed.
    """
    method = deepbet_brain if kind is MaskKind.DEEPBET else template_brain
    inside = method(volume)
    volume_ml = np.count_nonzero(inside) * volume.voxel_ml
    if not BRAIN_ML[0] <= volume_ml <= BRAIN_ML[1]:
        raise InputError(
            f"{volume.name}: the brain mask by {kind.value} holds {volume_ml:.0f} ml, and brains "
            f"have {BRAIN_ML[0]:.0f} to {BRAIN_ML[1]:.0f} ml",
            "give a mask file, or leave brain masks out.",
        )
    return inside
