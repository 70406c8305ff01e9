"""Reading files that `torch.save` wrote, without running code from them."""

from pathlib import Path
from typing import Any

import torch

from d24fad_core.errors import CheckpointError


def read_torch_file(path: Path, remedy: str) -> Any:
    """What a file holds, on the CPU: tensors, numbers, texts, and lists and dicts of these.

    Args:
        path: the file.
        remedy: what to do where it cannot be read, an imperative without a full stop.

    Raises:
        CheckpointError: it is absent, damaged, or needs code to be read.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}", f"{remedy}.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many kinds here: pickling, zip and end-of-file errors among them.
        raise CheckpointError(
            f"{path} cannot be read ({type(error).__name__}; files that need code to be read are "
            "refused)",
            f"{remedy}.",
        ) from error
