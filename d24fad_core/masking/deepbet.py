"""Brain masks by deepbet (Fisch et al. 2024), a network for T1 heads that is installed apart.

https://github.com/wwu-mmll/deepbet, MIT; its weights come with its package.
"""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.volumes.volume import Volume

if TYPE_CHECKING:
    from deepbet import BrainExtraction

_SIDE = 256
_THRESHOLD = 0.5


def deepbet_version() -> str | None:
    """The version of deepbet; None where it is not installed."""
    try:
        return version("deepbet") if find_spec("deepbet") else None
    except PackageNotFoundError:
        return None


def deepbet_brain(volume: Volume) -> NDArray[np.bool_]:
    """The brain of a head by deepbet.

    Args:
        volume: an MR of a whole head.

    Returns:
        (I, J, K) boolean, on the grid of the scan.

    Raises:
        ConfigurationError: deepbet is not installed.
        InputError: deepbet sees no brain.
    """
    extraction = _extraction()
    orientation = nibabel.orientations.io_orientation(volume.affine)
    canonical = nibabel.orientations.apply_orientation(volume.array, orientation)
    try:
        with torch.inference_mode():
            chances = extraction.run_model(np.ascontiguousarray(canonical), shape=(_SIDE,) * 3)
            brain = extraction.postprocess(chances > _THRESHOLD)
    except (AssertionError, ValueError) as error:
        # How deepbet says that nothing was left of its first, coarse mask.
        raise InputError(
            f"{volume.name}: deepbet sees no brain in this scan; give a mask file, or leave brain "
            "masks out."
        ) from error
    back = nibabel.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], orientation)
    inside: NDArray[np.bool_] = nibabel.orientations.apply_orientation(brain, back).astype(bool)
    return inside


@lru_cache(maxsize=1)
def _extraction() -> "BrainExtraction":
    try:
        from deepbet import BrainExtraction
    except ImportError as error:
        raise ConfigurationError(
            f"brain masks by deepbet need {error.name}, which is not installed; "
            "pip install 'd24fad[brain]', or choose the template."
        ) from error
    return BrainExtraction(no_gpu=True)
