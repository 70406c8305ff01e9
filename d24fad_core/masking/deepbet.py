"""Brain masks by deepbet (Fisch et al. 2024), networks for T1 heads that are installed apart.

https://github.com/wwu-mmll/deepbet, MIT; the weights come with its package. Of its two networks
only the first is run, which sees the whole scan in 128 voxels a side. The second looks again at
256, takes more than twice as long in all and moves the border by a fraction of the analysis's
pixels: the masks of both agree with a Dice of .99.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from d24fad_core.errors import InputError
from d24fad_core.extras import extra
from d24fad_core.volumes.volume import Volume

_SIDE = (128, 128, 128)
_PERCENTILES = (0.5, 99.5)
_THRESHOLD = 0.5
# Dark lesions at the surface look like fluid and would be cut off: of lesions planted there, 15 %
# of the voxels were lost without this margin, 4 % with 1 mm and .3 % with 2 mm.
_MARGIN_MM = 2.0


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
        (I, J, K) boolean, on the grid of the scan, with a margin of 2 mm.

    Raises:
        ConfigurationError: deepbet is not installed.
        InputError: deepbet sees no brain.
    """
    orientation = nibabel.orientations.io_orientation(volume.affine)
    canonical = nibabel.orientations.apply_orientation(volume.array, orientation)
    scan = torch.from_numpy(np.ascontiguousarray(canonical))
    coarse = functional.interpolate(scan[None, None], _SIDE, mode="nearest-exact")[0, 0]
    chances = _brain_chances(coarse)
    labels, count = ndimage.label(chances.numpy() > _THRESHOLD)
    if count == 0:
        raise InputError(
            f"{volume.name}: deepbet sees no brain in this scan",
            "give a mask file, or leave brain masks out.",
        )
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    other = torch.from_numpy((labels > 0) & ~largest)
    holes = torch.from_numpy(ndimage.binary_fill_holes(largest) & ~largest)
    brain = chances.masked_fill(other, 0.0).masked_fill(holes, 1.0)
    fine = functional.interpolate(brain[None, None], canonical.shape, mode="trilinear")[0, 0]
    back = nibabel.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], orientation)
    inside: NDArray[np.bool_] = nibabel.orientations.apply_orientation(
        fine.numpy() > _THRESHOLD, back
    )
    return _with_margin(inside, volume.spacing)


def _with_margin(inside: NDArray[np.bool_], spacing: Sequence[float]) -> NDArray[np.bool_]:
    """The mask and all within the margin around it."""
    reach = [int(_MARGIN_MM / step + 1e-6) for step in spacing]
    offsets = np.stack(
        np.meshgrid(
            *(np.arange(-most, most + 1) * step for most, step in zip(reach, spacing, strict=True)),
            indexing="ij",
        )
    )
    ball = np.linalg.norm(offsets, axis=0) <= _MARGIN_MM + 1e-6
    wider: NDArray[np.bool_] = ndimage.binary_dilation(inside, ball)
    return wider


def _brain_chances(coarse: Tensor) -> Tensor:
    """How likely each voxel of a canonical scan, (128, 128, 128), belongs to the brain."""
    network, normalise = _network()
    low, high = np.percentile(coarse.numpy(), _PERCENTILES)
    # The profiling executor compiles at the first runs what is run but once a process.
    with torch.no_grad(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        chances: Tensor = network(normalise(coarse, float(low), float(high))[None, None])[0, 1]
    return chances


@lru_cache(maxsize=1)
def _network() -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor, float, float], Tensor]]:
    """The network that sees the whole scan, and the normalisation that it learnt with."""
    with extra("brain", "the brain mask by deepbet"):
        from deepbet.utils import DATA_PATH, load_model, normalize
    return load_model(f"{DATA_PATH}/models/bbox_model.pt", no_gpu=True), normalize
