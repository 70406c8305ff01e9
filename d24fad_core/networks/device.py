"""Whether a device that was named can be used."""

import torch

from d24fad_core.errors import ConfigurationError


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
            f"device '{name}' cannot be used here ({reason}); give 'cpu', or install torch for it."
        ) from error
