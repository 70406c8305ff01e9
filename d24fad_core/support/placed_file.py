"""A normal study on the common grid as a file, so that it need not be read and aligned again."""

from pathlib import Path

import torch

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.comparison.normal_stack import PlacedStudy
from d24fad_core.files import whole_file

PLACED_SCHEMA = 1
"""Raised whenever the same study in the same frame is placed otherwise: kept ones are then void."""


def save_placed(study: PlacedStudy, path: Path) -> None:
    """Write a study, whole or not at all."""
    tensors = {
        "intensities": study.intensities.contiguous(),
        "inside": study.inside.to(torch.uint8).contiguous(),
    }
    with whole_file(path) as temporary:
        save_tensors(tensors, temporary, {})


def load_placed(path: Path) -> PlacedStudy | None:
    """Read a study; None where the file is absent or not readable.

    Like any cache, one that cannot be read is no error: the study is placed again.
    """
    try:
        with open_tensors(path) as tensors:
            return PlacedStudy(
                tensors.get_tensor("intensities"), tensors.get_tensor("inside").bool()
            )
    except (OSError, KeyError, ValueError):
        return None
