"""`d24fad cache`: what the cache holds, and emptying it."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from d24fad_core.cache.folder import (
    LIMIT_VARIABLE,
    cached_files,
    clear,
    default_folder,
    size_limit,
)

cache_commands = typer.Typer(
    no_args_is_help=True,
    help="Show or empty the cache, where features of normal studies are kept for the next run.",
)

_Folder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="FOLDER",
        envvar="D24FAD_CACHE",
        help="Which cache.",
        show_default="d24fad in the user's cache folder",
    ),
]


@cache_commands.command(name="info")
def info(cache: _Folder = None) -> None:
    """Show where the cache lies, how large it is and may get, and when it was last used."""
    folder = cache or default_folder()
    files = cached_files(folder)
    size = sum(file.size for file in files)
    typer.echo(
        f"{folder}: {len(files)} files, {size / 1e9:.2f} of {size_limit() / 1e9:g} GB "
        f"({LIMIT_VARIABLE} sets the limit)."
    )
    if files:
        oldest, newest = (
            datetime.fromtimestamp(file.last_use).strftime("%Y-%m-%d %H:%M")
            for file in (files[0], files[-1])
        )
        typer.echo(
            f"Last used between {oldest} and {newest}; what was used longest ago goes first."
        )
    typer.echo("It is derived from scans of patients: protect it like them.")


@cache_commands.command(name="clear")
def clear_cache(cache: _Folder = None) -> None:
    """Remove all that the cache holds; the next analysis computes it again."""
    folder = cache or default_folder()
    typer.echo(f"{folder}: {clear(folder) / 1e9:.2f} GB freed.")
