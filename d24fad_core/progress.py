"""How long work reports progress, and how a caller stops it."""

from typing import Protocol


class Progress(Protocol):
    """Called with the name of the current step and the fraction of the whole that is done.

    A caller cancels the work by raising `CancelledError` from the call.
    """

    def __call__(self, step: str, fraction: float) -> None:
        """Report that `step` is under way and `fraction` (0 to 1) of the work is done."""


def silent(step: str, fraction: float) -> None:
    """Report nothing."""
