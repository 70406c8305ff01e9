"""What commands say on stderr: one line for an error or a warning, a bar for long work."""

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from d24fad_core.cache.folder import CacheWarning
from d24fad_core.progress import Progress, silent


def say(message: str) -> None:
    """Write one line on stderr."""
    typer.echo(" ".join(message.split()), err=True)


def warn(message: str) -> None:
    """Write one line on stderr: `warning: ...`."""
    say(f"warning: {message}")


@functools.cache
def _warn_once(message: str) -> None:
    """Of a cache that cannot be written, every file of a command would tell the same."""
    warn(message)


@contextmanager
def spoken_warnings() -> Iterator[None]:
    """Speak the library's own warnings (about a file's geometry, say) as single lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", module=r"d24fad_core\.")
        warnings.filterwarnings("always", category=CacheWarning)
        yield
    for warning in caught:
        speak = _warn_once if issubclass(warning.category, CacheWarning) else warn
        speak(str(warning.message))


@contextmanager
def progress_bar(title: str, *, quiet: bool = False) -> Iterator[Progress]:
    """Show a bar on stderr while the block works; it vanishes at the end.

    Args:
        title: what is being done, at the left of the bar.
        quiet: show nothing.

    Yields:
        What the working code reports to.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield silent
        return
    columns = (
        TextColumn("{task.fields[title]:<12}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0, title=title)

        def report(step: str, fraction: float) -> None:
            bar.update(task, description=step, completed=fraction)

        yield report
