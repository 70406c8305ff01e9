"""What a decoder answers to untouched people, on disk beside its weights."""

from pathlib import Path

import numpy as np
import torch

from d24fad_core.comparison.normal_response import ResponseMap
from d24fad_core.errors import CheckpointError
from d24fad_core.files import hash_file, whole_file
from d24fad_core.safetensors_file import read_safetensors, write_safetensors

RESPONSE_FILE = "normal_response.safetensors"

_REMEDY = "copy the decoder's folder again, whole"


def save_response(response: ResponseMap, folder: Path) -> str:
    """Write it, whole or not at all.

    Returns:
        SHA-256 of the file, for the decoder's card.
    """
    tensors = {
        "mean": torch.from_numpy(response.mean).half().contiguous(),
        "spread": torch.from_numpy(response.spread).half().contiguous(),
        "affine": torch.from_numpy(np.ascontiguousarray(response.affine)),
        "average": torch.tensor(
            [response.average_mean, response.average_spread], dtype=torch.float64
        ),
    }
    with whole_file(folder / RESPONSE_FILE) as temporary:
        write_safetensors(tensors, temporary)
        return hash_file(temporary)


def load_response(folder: Path, expected_hash: str) -> ResponseMap | None:
    """Read it.

    Args:
        folder: of the decoder.
        expected_hash: what its card says; empty where the decoder has no response.

    Returns:
        None where the decoder has none.

    Raises:
        CheckpointError: the file is absent, damaged, or not the one that the card describes.
    """
    if not expected_hash:
        return None
    path = folder / RESPONSE_FILE
    tensors = read_safetensors(path, _REMEDY)
    if hash_file(path) != expected_hash:
        raise CheckpointError(
            f"{path} is not the file that the decoder's card describes (SHA-256 differs)",
            f"{_REMEDY}.",
        )
    average_mean, average_spread = (float(value) for value in tensors["average"])
    return ResponseMap(
        mean=tensors["mean"].float().numpy(),
        spread=tensors["spread"].float().numpy(),
        affine=tensors["affine"].numpy(),
        average_mean=average_mean,
        average_spread=average_spread,
    )
