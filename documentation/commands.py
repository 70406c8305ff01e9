"""The reference of the commands, from their own parsers."""

from collections.abc import Callable

import typer
from typer.cli import get_docs_for_click

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli import app
from monailabel_app.demo.__main__ import main as demo
from monailabel_app.local.__main__ import serve


def command_reference() -> str:
    """Markdown of every command with its arguments and options."""
    programs = {
        "d24fad": app,
        "python -m monailabel_app.local": _alone(serve),
        "python -m monailabel_app.demo": _alone(demo),
    }
    parts = [_describe(program, name) for name, program in programs.items()]
    head = f"# Commands\n\nMade from the commands themselves. {RESEARCH_USE_ONLY}\n\n"
    return head + "\n".join(parts)


def _alone(command: Callable[..., None]) -> typer.Typer:
    program = typer.Typer(add_completion=False)
    program.command()(command)
    return program


def _describe(program: typer.Typer, name: str) -> str:
    command = typer.main.get_command(program)
    context = typer.Context(command, info_name=name, resilient_parsing=True)
    return get_docs_for_click(obj=command, ctx=context, name=name, indent=1)
