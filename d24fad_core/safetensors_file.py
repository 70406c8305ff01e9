"""Safetensors files, whose library has errors of its own for full disks and damaged files."""

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from d24fad_core.errors import CheckpointError


def write_safetensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors, and texts beside them.

    Raises:
        OSError: the file cannot be written, with the reason and the path.
    """
    try:
        save_file(dict(tensors), path, None if metadata is None else dict(metadata))
    except SafetensorError as error:
        code = re.search(r"code: (\d+)", str(error))
        number = int(code[1]) if code else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error


def read_safetensors(path: Path, remedy: str) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU.

    Args:
        path: the file.
        remedy: what to do where it cannot be read, an imperative without a full stop.

    Raises:
        CheckpointError: it is absent or damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}", f"{remedy}.")
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error})",
            f"{remedy}.",
        ) from error
    return tensors
