"""How PyTorch's threads wait for each other: a program sets it before it imports PyTorch."""

import os
from collections.abc import Mapping


def brief_spinning(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to an environment so that waiting threads spin for some microseconds.

    By default they spin until the others are done: on a machine busy with other work an analysis
    took twenty times as long. Not to spin at all makes it nearly twice as long on a quiet one.

    Args:
        environment: its own `OMP_WAIT_POLICY` or `GOMP_SPINCOUNT` stands.
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & environment.keys():
        return {}
    return {"GOMP_SPINCOUNT": "10000"}


def spin_briefly() -> None:
    """Let the waiting threads of this process and of those that it starts spin for a moment."""
    os.environ.update(brief_spinning(os.environ))
