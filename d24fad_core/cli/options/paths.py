"""Paths that a command was given, looked at before anything slow is imported or computed."""

import os
from collections.abc import Sequence
from pathlib import Path

from d24fad_core.errors import CheckpointError, ConfigurationError, InputError
from d24fad_core.io.own_results import RESULT_FILES


def check_exists(*paths: Path | None) -> None:
    """Refuse a path of a study or a folder where nothing is.

    Raises:
        InputError: one of them does not exist; None is passed over.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise InputError(f"{path}: no such file or folder", "check the path.")


def check_checkpoint(folder: Path | None) -> None:
    """Refuse a checkpoint folder that is none.

    Raises:
        CheckpointError: it does not exist; None is the shipped one.
    """
    if folder is not None and not folder.is_dir():
        raise CheckpointError(
            f"no checkpoint at {folder}",
            "give the folder that `d24fad train` or `d24fad import-official` wrote.",
        )


def check_output(out: Path, inputs: Sequence[Path], support: Sequence[Path]) -> None:
    """Refuse an output folder that cannot be written, or in which results would do harm.

    Args:
        out: where the results go.
        inputs: what the command reads: studies, masks, label maps.
        support: folders of normal studies, and single ones.

    Raises:
        ConfigurationError: it lies in a folder of normals, would overwrite an input, or cannot
            become a folder that can be written.
    """
    check_writable(out)
    place = out.resolve()
    for folder in support:
        if folder.is_dir() and folder.resolve() in (place, *place.parents):
            raise ConfigurationError(
                f"{out}: lies in the support folder {folder}, whose next analysis would take the "
                "results for normal patients",
                "give an --out folder outside of it.",
            )
    results = {place / name for name in RESULT_FILES}
    for path in (*inputs, *support):
        if path.resolve() in results:
            raise ConfigurationError(
                f"{path}: would be overwritten by the result of the same name",
                "give another --out folder.",
            )


def check_writable(out: Path) -> None:
    """Refuse an output folder that cannot be written.

    Raises:
        ConfigurationError: it is a file or lies in one, or there are no rights.
    """
    for place in (out, *out.parents):
        if place.is_dir():
            break
        if place.exists():
            raise ConfigurationError(
                f"{place}: is a file, so nothing can be written into it",
                "give another --out folder.",
            )
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{place}: may not be written to",
            "check your rights or give another --out folder.",
        )
