"""`python -m monailabel_app.local`: a server for one program on this machine."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.errors import D24FADError
from monailabel_app.configuration import ServerConfiguration
from monailabel_app.local.ending import end_process
from monailabel_app.local.server import HOST, LocalServer, listen
from monailabel_app.local.token import read_token


def serve(
    studies: Annotated[Path, typer.Option(help="Folder of studies.")],
    token_file: Annotated[
        Path, typer.Option(help="File with the token that clients send; made when missing.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    support: Annotated[
        str, typer.Option(help="Image ids or patterns of the default support set.")
    ] = ServerConfiguration.support,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of a checkpoint.", show_default="the shipped one")
    ] = None,
    device: Annotated[str, typer.Option(help="Torch device.")] = ServerConfiguration.device,
    end_with_stdin: Annotated[
        bool, typer.Option("--end-with-stdin", help="End when the standard input is closed.")
    ] = False,
) -> None:
    """Serve a folder of studies to programs on this machine that know the token.

    Once it answers, it writes one line of JSON to its standard output: url, port and process. Where
    it cannot start, that line is the problem: cause and remedy.
    """
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        configuration = ServerConfiguration(
            support=support,
            checkpoint=checkpoint,
            device=device,
            token=read_token(token_file.expanduser()),
        )
        listening = listen(port)
        own_port = int(listening.getsockname()[1])
        server = LocalServer(studies.expanduser(), configuration, lambda: _announce(own_port))
    except D24FADError as error:
        typer.echo(f"error: {error}", err=True)
        cause, remedy = error.sentences()
        _write_line({"problem": {"cause": cause, "remedy": remedy}})
        raise typer.Exit(2) from error
    if end_with_stdin:
        server.end_with(sys.stdin.buffer)
    server.run(sockets=[listening])
    end_process(0)  # an analysis may be under way


def _announce(port: int) -> None:
    _write_line(
        {
            "url": f"http://{HOST}:{port}",
            "port": port,
            "process": os.getpid(),
            "version": __version__,
            "notice": RESEARCH_USE_ONLY,
        }
    )


def _write_line(document: dict[str, Any]) -> None:
    """Tell the program that started this one."""
    typer.echo(json.dumps(document))
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(serve)
