"""Normals brought into one shape as a file, so that they need not be deformed again."""

from pathlib import Path

import torch

from d24fad_core.cache.tensor_file import open_tensors, save_tensors
from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.files import whole_file

STACK_SCHEMA = 1
"""Raised whenever `align_mutually` makes others of the same normals: kept ones are then void."""


def save_stack(stack: NormalStack, path: Path) -> None:
    """Write normals, whole or not at all."""
    tensors = {
        "intensities": stack.intensities.contiguous(),
        "mean": stack.mean.contiguous(),
        "shared": stack.shared.to(torch.uint8).contiguous(),
        "unit": torch.tensor(stack.unit, dtype=torch.float64),
    }
    with whole_file(path) as temporary:
        save_tensors(tensors, temporary, {})


def load_stack(path: Path) -> NormalStack | None:
    """Read normals; None where the file is absent or not readable, and they are deformed again."""
    try:
        with open_tensors(path) as stored:
            return NormalStack(
                stored.get_tensor("intensities"),
                stored.get_tensor("mean"),
                stored.get_tensor("shared").bool(),
                float(stored.get_tensor("unit")),
            )
    except (OSError, KeyError, ValueError):
        return None
