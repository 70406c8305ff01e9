"""What commands say on stderr: one line for an error or a warning, a bar for long work."""

import functools
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from d24fad_core.cache.folder import CacheWarning
from d24fad_core.errors import ConfigurationError
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


class Telling(Enum):
    """How much is said while a command works."""

    QUIET = "quiet"
    BAR = "bar"
    STEPS = "steps"

    @classmethod
    def of(cls, *, quiet: bool, verbose: bool) -> "Telling":
        """What `--quiet` and `--verbose` ask for.

        Raises:
            ConfigurationError: both are given.
        """
        if quiet and verbose:
            raise ConfigurationError("--quiet and --verbose contradict each other", "give one.")
        return cls.STEPS if verbose else cls.QUIET if quiet else cls.BAR


@contextmanager
def _steps(title: str) -> Iterator[Progress]:
    """Say each new step in a line of its own."""
    begin = time.perf_counter()
    last = ""

    def report(step: str, fraction: float) -> None:
        nonlocal last
        if step != last:
            last = step
            say(f"{title} {time.perf_counter() - begin:6.1f} s {100 * fraction:3.0f} %  {step}")

    yield report
    say(f"{title} {time.perf_counter() - begin:6.1f} s in all")


@contextmanager
def progress_bar(
    title: str, telling: Telling | None = None, *, quiet: bool = False
) -> Iterator[Progress]:
    """Show a bar on stderr while the block works; it vanishes at the end.

    Args:
        title: what is being done, at the left of the bar.
        telling: what is shown; None for what `quiet` says.
        quiet: show nothing.

    Yields:
        What the working code reports to.
    """
    if telling is Telling.STEPS:
        with _steps(title) as report_step:
            yield report_step
        return
    console = Console(stderr=True)
    if quiet or telling is Telling.QUIET or not console.is_terminal:
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
