"""`--config FILE`: options of a command from a TOML file."""

import sys
from pathlib import Path
from typing import Any

import typer

from d24fad_core.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Take what a file says as the defaults of a command, so that the command line wins.

    Args:
        ctx: the command's; its other options are not read yet.
        path: the file; None for none.

    Raises:
        ConfigurationError: it cannot be read, or names an option that the command does not have.
    """
    if path is None:
        return None
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read as TOML ({error})",
            'write one option a line, as in plane = ["axial", "coronal"].',
        ) from error
    known = {
        option.removeprefix("--"): parameter
        for parameter in ctx.command.params
        if parameter.param_type_name == "option" and "--config" not in parameter.opts
        for option in parameter.opts
        if option.startswith("--")
    }
    if unknown := sorted(set(content) - set(known)):
        raise ConfigurationError(
            f"{path}: {unknown[0]} is no option of {ctx.info_name}; there are "
            f"{', '.join(sorted(known))}.",
            "Correct the name.",
        )
    defaults: dict[str, Any] = {}
    for name, value in content.items():
        parameter = known[name]
        several = getattr(parameter, "multiple", False)
        if isinstance(value, dict) or (isinstance(value, list) and not several):
            raise ConfigurationError(f"{path}: {name} = {value} is not one value", "give one.")
        wrapped = several and not isinstance(value, list)
        defaults[str(parameter.name)] = [value] if wrapped else value
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return path
