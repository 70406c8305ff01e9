"""The command line as a whole: its commands, and how it ends when something is wrong.

Exit status: 0 done, 1 the computer could not (disk full, no rights, no memory), 2 what was given
cannot be used, 130 stopped by the user. Every error is one line on stderr.
"""

import errno
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.cli.commands.benchmark import EPILOG as BENCHMARK_EXAMPLES
from d24fad_core.cli.commands.benchmark import benchmark
from d24fad_core.cli.commands.benchmark_volumes import EPILOG as BENCHMARK_VOLUMES_EXAMPLES
from d24fad_core.cli.commands.benchmark_volumes import benchmark_volumes
from d24fad_core.cli.commands.bids import EPILOG as BIDS_EXAMPLES
from d24fad_core.cli.commands.bids import bids
from d24fad_core.cli.commands.cache import cache_commands
from d24fad_core.cli.commands.detect import EPILOG as DETECT_EXAMPLES
from d24fad_core.cli.commands.detect import detect
from d24fad_core.cli.commands.evaluate import evaluate
from d24fad_core.cli.commands.export import export
from d24fad_core.cli.commands.import_official import import_official
from d24fad_core.cli.commands.info import EPILOG as INFO_EXAMPLES
from d24fad_core.cli.commands.info import info
from d24fad_core.cli.commands.scan import EPILOG as SCAN_EXAMPLES
from d24fad_core.cli.commands.scan import scan
from d24fad_core.cli.commands.simulate import simulate
from d24fad_core.cli.commands.train import train
from d24fad_core.cli.commands.train_decoder import train_decoder
from d24fad_core.cli.messages import say
from d24fad_core.cli.options.several_values import SeveralValues
from d24fad_core.errors import CancelledError, D24FADError

_REMEDIES = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there",
    errno.EACCES: "check your rights there",
    errno.EPERM: "check your rights there",
    errno.EROFS: "give a place that can be written",
}


class _OneLineErrors(TyperGroup):
    """A group of commands whose known errors end in one line instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CancelledError as error:
            _stop(str(error), 130)
        except KeyboardInterrupt:
            _stop("stopped; files that were already written are whole", 130)
        except D24FADError as error:
            _stop(f"error: {error}", 2)
        except BrokenPipeError:
            raise  # the reader of our output went away; typer ends quietly
        except OSError as error:
            _stop(f"error: {_sentence(error)}", 1)
        except MemoryError:
            _stop("error: not enough memory; close other programs or give smaller images.", 1)


def _stop(message: str, status: int) -> None:
    say(message)
    raise typer.Exit(status) from None


def _sentence(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename is not None else ""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "check the path and the disk")
    return f"{place}{reason}; {remedy}, then try again."


def _show_version(flag: bool) -> None:
    if flag:
        typer.echo(f"d24fad {__version__}. {RESEARCH_USE_ONLY}")
        raise typer.Exit


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    # A traceback of a fault in the program must not show the values of variables.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def d24fad(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
) -> None:
    """Find what is abnormal in a CT or MRI study by showing a handful of normal ones.

    Research use only. Not for clinical use.
    """


app.command()(simulate)
app.command()(train)
app.command(name="train-decoder")(train_decoder)
app.command()(evaluate)
app.command(epilog=BENCHMARK_EXAMPLES, cls=SeveralValues)(benchmark)
app.command(epilog=DETECT_EXAMPLES)(detect)
app.command(epilog=SCAN_EXAMPLES)(scan)
app.command(epilog=BIDS_EXAMPLES, cls=SeveralValues)(bids)
app.command(epilog=INFO_EXAMPLES)(info)
app.command(name="benchmark-volumes", epilog=BENCHMARK_VOLUMES_EXAMPLES)(benchmark_volumes)
app.command()(export)
app.command(name="import-official")(import_official)
app.add_typer(cache_commands, name="cache")


def main() -> None:
    """Run the command line; the entry point `d24fad`."""
    app(prog_name="d24fad")
