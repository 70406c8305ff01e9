"""Which device is meant, and whether it can be used."""

import torch

from d24fad_core.errors import ConfigurationError


def named_device(name: str) -> str:
    """The device that a name stands for: `auto` is a GPU where there is one, else the CPU."""
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(name: str) -> None:
    """Refuse a device before work is put into what it cannot do.

    Args:
        name: torch device, such as `cpu`, `cuda` or `cuda:1`.

    Raises:
        ConfigurationError: there is no such device here.
    """
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ConfigurationError(
            f"device '{name}' cannot be used here ({reason})",
            "give 'cpu', or install torch for it.",
        ) from error
