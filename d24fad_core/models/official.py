"""Names of the official D²4FAD checkpoints, mapped to this project's.

Official checkpoints hold the student under `decoder` and learn-to-weight under `weight`; the
encoder has torchvision's names for WideResNet50-2.
"""

import re
from pathlib import Path

from torch import Tensor

from d24fad_core.errors import CheckpointError
from d24fad_core.torch_file import read_torch_file

_HEAD = ("fc.weight", "fc.bias")


def official_state(
    decoder: dict[str, Tensor],
    weight: dict[str, Tensor],
    encoder: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """State dict of the `paper` network from the parts of an official checkpoint.

    Args:
        decoder: the student's parameters.
        weight: learn-to-weight's parameters.
        encoder: the teacher's parameters; None leaves the teacher out.

    Raises:
        CheckpointError: a name is not one of the official layout.
    """
    state = {f"student.{name}": value for name, value in decoder.items()}
    for name, value in weight.items():
        match = re.fullmatch(r"proj_in([123])\.(weight|bias)", name)
        if match is None:
            raise CheckpointError(
                f"'{name}' is no learn-to-weight parameter of an official checkpoint (proj_in1 to "
                "proj_in3)",
                "is this a D²4FAD checkpoint?",
            )
        state[f"weighting.keys.{int(match[1]) - 1}.{match[2]}"] = value
    for name, value in (encoder or {}).items():
        if name not in _HEAD:
            state[f"teacher.encoder.{name}"] = value
    return state


def read_official(path: Path) -> dict[str, dict[str, Tensor]]:
    """Read the parts of an official checkpoint: `decoder`, `weight` and, if there, `encoder`.

    Raises:
        CheckpointError: the file cannot be read without running code from it, or lacks a part.
    """
    content = read_torch_file(path, "give the official checkpoint (.pth)")
    if not isinstance(content, dict) or not {"decoder", "weight"} <= set(content):
        raise CheckpointError(
            f"{path} has no parts 'decoder' and 'weight'",
            "is this an official D²4FAD checkpoint?",
        )
    parts = {part: content[part] for part in ("decoder", "weight", "encoder") if part in content}
    for part, values in parts.items():
        if not isinstance(values, dict) or not all(isinstance(v, Tensor) for v in values.values()):
            raise CheckpointError(
                f"{path}: '{part}' holds something else than named parameters",
                "is this an official D²4FAD checkpoint?",
            )
    return parts
