"""Packages that only some commands need, each in an extra of setup.py."""

from collections.abc import Iterator
from contextlib import contextmanager

from d24fad_core.errors import ConfigurationError


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Say what brings a package that is imported within, should it be absent.

    Args:
        name: an extra, as in `pip install 'd24fad[name]'`.
        purpose: what needs the package, the subject of the sentence.

    Raises:
        ConfigurationError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "d24fad_core":
            raise
        raise ConfigurationError(
            f"{purpose} needs {error.name.partition('.')[0]}, which is not installed",
            f"pip install 'd24fad[{name}]'.",
        ) from error
