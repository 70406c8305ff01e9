"""`d24fad train-decoder`: teach the decoder that is shown the normals."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli.messages import progress_bar


def train_decoder(
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the run: its state and, at the end, decoder/. Repeat the command to "
            "go on with a stopped run.",
            show_default=False,
        ),
    ],
    people: Annotated[
        list[Path],
        typer.Option(
            metavar="FOLDER",
            help="Brain-extracted MR studies of normal people of one scanner; repeat for several "
            "scanners. Every fourth person does not teach: the threshold is chosen on them.",
            show_default=False,
        ),
    ],
    lesion_shapes: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Masks of real lesions in MNI space, whose outlines are planted too.",
            show_default=False,
        ),
    ] = None,
    initial: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A decoder that goes on learning. Without it, teaching begins anew.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the decoder on its card.")] = (
        "d24fad-support-decoder"
    ),
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 5000,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal decoders on one machine.")] = 0,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="CPU threads to use.", show_default="all"),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only warnings and errors.")
    ] = False,
) -> None:
    """Teach the decoder that is shown the normals, on anomalies planted into normal people.

    Use it with d24fad detect --decoder FOLDER/decoder.
    """
    import torch

    from d24fad_core.models.decoder_checkpoint import DecoderCard, load_decoder, save_decoder
    from d24fad_core.networks.support_decoder import TwofoldDecoder
    from d24fad_core.training.decoder.config import DecoderTraining
    from d24fad_core.training.decoder.people import (
        SPACING_MM,
        read_held_out,
        read_teaching_data,
        teaching_frame,
    )
    from d24fad_core.training.decoder.response import measure_people
    from d24fad_core.training.decoder.threshold import choose_threshold
    from d24fad_core.training.decoder.trainer import train_decoder as teach

    if threads is not None:
        torch.set_num_threads(threads)
    options = DecoderTraining(steps=steps, seed=seed, learning_rate=learning_rate)
    start, start_card = (None, None) if initial is None else load_decoder(initial)
    if start_card is not None:
        options = replace(options, network=start_card.network)
    with progress_bar("people", quiet=quiet) as progress:
        data = read_teaching_data(
            people, lesion_shapes, options.simulated_people, options.people_share, progress
        )
        held_out = read_held_out(people, progress)
    decoder = TwofoldDecoder(options.network)
    for in_shape in (False, True):
        name_of_part = "in_shape" if in_shape else "in_place"
        first = None
        if start is not None:
            first = start.in_shape if in_shape else start.in_place
        with progress_bar("teaching", quiet=quiet) as progress:
            taught = teach(
                data, replace(options, in_shape=in_shape), out / name_of_part, progress, first
            )
        part = decoder.in_shape if in_shape else decoder.in_place
        part.load_state_dict(taught.state_dict())
    decoder.eval()
    frame = teaching_frame()
    taught_people = torch.cat([group.intensities for group in data.groups[: len(people)]])
    with progress_bar("untouched people", quiet=quiet) as progress:
        response = measure_people(decoder, held_out, taught_people, frame.affine, progress)
    with progress_bar("threshold", quiet=quiet) as progress:
        choice = choose_threshold(
            decoder,
            response.on_grid(frame.shape, frame.affine),
            held_out,
            SPACING_MM**3 / 1000.0,
            progress,
        )
    card = DecoderCard(
        name=name,
        network=options.network,
        voxel_mm=SPACING_MM,
        threshold=choice.log_odds,
        training={
            "options": options.to_dict(),
            "initial": None if start_card is None else start_card.weights_hash,
            "people": [folder.name for folder in people],
            "sha256": data.sources,
            "threshold": (
                f"best mean Dice ({choice.mean_dice:.2f}) of {choice.cases} anomalies planted "
                f"into {choice.people} people who do not teach; their median has "
                f"{choice.median_marked_ml:.2f} ml marked untouched"
            ),
        },
    )
    folder = out / "decoder"
    save_decoder(decoder, card, folder, response)
    if not quiet:
        console = Console(markup=False, highlight=False)
        console.print(f"threshold {choice.log_odds:+.1f}: {card.training['threshold']}")
        typer.echo(folder)
        console.print(RESEARCH_USE_ONLY, style="bold")
