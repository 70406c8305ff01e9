"""`d24fad import-official`: turn an official D²4FAD checkpoint into one of this library's."""

from pathlib import Path
from typing import Annotated

import typer

from d24fad_core.cli.messages import say
from d24fad_core.cli.options.paths import check_exists
from d24fad_core.errors import CheckpointError


def import_official(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="The official file (.pth), holding 'decoder' and 'weight'.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Checkpoint folder to write.", show_default=False)],
    teacher_weights: Annotated[
        Path | None,
        typer.Option(
            help="File with WideResNet50-2's ImageNet weights, where they cannot be downloaded.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the model on its card.")] = "official-d24fad",
) -> None:
    """Import a checkpoint of the official D²4FAD code (WideResNet50-2).

    The result serves --checkpoint of the other commands. Its anomaly maps compare the student on
    the query with the student on the support, as published; image size 128.
    """
    check_exists(checkpoint, teacher_weights)
    from d24fad_core.comparison.scoring import ImageScoringConfig, paper_scoring
    from d24fad_core.models.checkpoint import ModelCard, save_checkpoint
    from d24fad_core.models.official import official_state, read_official
    from d24fad_core.networks.d24fad import D24FAD, PAPER
    from d24fad_core.networks.teacher import build_teacher

    state = official_state(**read_official(checkpoint))
    model = D24FAD(PAPER, build_teacher(PAPER.teacher, teacher_weights))
    own = {key for key in model.state_dict() if not key.startswith("teacher.")}
    official = {key for key in state if not key.startswith("teacher.")}
    if official != own:
        differing = sorted(official ^ own)
        raise CheckpointError(
            f"{checkpoint} does not hold the published architecture: {len(differing)} parameters "
            f"differ (first: {differing[0]}).",
            "Give a checkpoint of the published network.",
        )
    try:
        model.load_trained(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{checkpoint} does not hold the published architecture: {error}",
            "give a checkpoint of the published network.",
        ) from error
    scoring = paper_scoring()
    card = ModelCard(
        name,
        PAPER,
        128,
        scoring.to_dict(),
        ImageScoringConfig(scoring).to_dict(),
        training={"source": "imported from an official D²4FAD checkpoint"},
        licence="unknown: ask the authors of the official code",
    )
    save_checkpoint(model, card, out)
    say(f"wrote {out}")
