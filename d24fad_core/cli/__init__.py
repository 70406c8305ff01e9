"""The command line `d24fad`: one module for each command."""

from d24fad_core.waiting_threads import spin_briefly

spin_briefly()

from d24fad_core.cli.application import app, main  # noqa: E402  (its commands import PyTorch)

__all__ = ["app", "main"]
