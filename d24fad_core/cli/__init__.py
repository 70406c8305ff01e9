"""The command line `d24fad`: one module for each command."""

from d24fad_core.cli.application import app, main

__all__ = ["app", "main"]
