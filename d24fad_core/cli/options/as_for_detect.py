"""Options that other commands take as `d24fad detect` does."""

from pathlib import Path
from typing import Annotated

import typer

from d24fad_core.comparison.kind import ComparisonChoice
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Plane

CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Model to use, as for detect.", show_default="the shipped model"
    ),
]
PlaneOption = Annotated[
    list[Plane] | None,
    typer.Option(metavar="PLANE", help="As for detect.", show_default="axial"),
]
ComparisonOption = Annotated[ComparisonChoice, typer.Option(metavar="HOW", help="As for detect.")]
WindowOption = Annotated[str, typer.Option(metavar="NAME", help="As for detect.")]
BrainOption = Annotated[BrainMask, typer.Option(help="As for detect.")]
