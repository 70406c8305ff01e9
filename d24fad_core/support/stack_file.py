"""One volume of each normal as a file, such as the normals in one shape or their log-odds."""

from pathlib import Path

from torch import Tensor

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.files import whole_file

STACK_SCHEMA = 2
"""Raised whenever `align_mutually` makes others of the same normals: kept ones are then void."""

_VOLUMES = "volumes"


def save_volumes(volumes: Tensor, path: Path) -> None:
    """Write volumes (K, X, Y, Z), whole or not at all."""
    with whole_file(path) as temporary:
        save_tensors({_VOLUMES: volumes.contiguous()}, temporary, {})


def load_volumes(path: Path) -> Tensor | None:
    """Read volumes; None where the file is absent or not readable, and they are made again."""
    try:
        with open_tensors(path) as tensors:
            volumes: Tensor = tensors.get_tensor(_VOLUMES)
            return volumes
    except (OSError, KeyError, ValueError):
        return None
