"""A server for tests of anything but the comparison: the window takes the least time."""

from collections.abc import Mapping
from pathlib import Path

from d24fad_core.comparison.kind import ComparisonKind
from monailabel_app.server_process import ServerProcess


def window_server(
    studies: Path | str,
    log: Path,
    conf: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> ServerProcess:
    """A server whose analyses compare in a window where nobody names a comparison."""
    named = {"comparison": ComparisonKind.WINDOW.value, **(conf or {})}
    return ServerProcess(studies, log, named, environment)
