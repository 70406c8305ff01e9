"""`d24fad export`: the network of a checkpoint as an ONNX file."""

from pathlib import Path
from typing import Annotated

import typer

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli.options.paths import check_checkpoint, check_exists
from d24fad_core.errors import ConfigurationError


def export(
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="File to write, *.onnx.", show_default=False),
    ],
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Checkpoint to take the network of.",
            show_default="the shipped model",
        ),
    ] = None,
    teacher_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The teacher's weights, where its source cannot be reached."
        ),
    ] = None,
) -> None:
    """Export the network for ONNX Runtime, OpenVINO and others.

    The file turns images into the features of teacher and student; comparing them with normal
    studies stays with this library. Needs `pip install 'd24fad[export]'`.
    """
    check_checkpoint(checkpoint)
    check_exists(teacher_weights)
    if out.suffix.lower() != ".onnx":
        raise ConfigurationError(f"{out}: no name of an ONNX file", "give one that ends in .onnx.")
    from d24fad_core.models.checkpoint import load_checkpoint
    from d24fad_core.networks.export import export_onnx

    model, card = load_checkpoint(checkpoint, teacher_weights)
    export_onnx(model, card.image_size, out)
    typer.echo(f"{out}: {card.name}, images of {card.image_size} x {card.image_size}.")
    typer.echo(RESEARCH_USE_ONLY)
