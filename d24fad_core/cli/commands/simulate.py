"""`d24fad simulate`: write a cohort of simulated brain MR studies."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.simulation.contrast import Contrast


def simulate(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="Folder to write; made if it does not exist.", show_default=False
        ),
    ],
    contrast: Annotated[
        list[Contrast] | None,
        typer.Option(
            case_sensitive=False,
            help="MR contrast of every study; repeat it for several of the same heads, each person "
            "then in a folder of their own.",
            show_default="FLAIR",
        ),
    ] = None,
    support: Annotated[
        int, typer.Option(min=0, help="Normal studies to use as the support set.")
    ] = 4,
    normals: Annotated[int, typer.Option(min=0, help="Normal cases.")] = 6,
    lesions: Annotated[
        int,
        typer.Option(
            min=0, help="Cases with lesions: by turns one mass, several foci, one faint region."
        ),
    ] = 6,
    spacing: Annotated[
        tuple[float, float, float],
        typer.Option(
            metavar="X Y Z",
            help="Voxel size in mm: right-left, front-back, bottom-top; '1 1 5' is thick slices.",
        ),
    ] = (2.0, 2.0, 2.0),
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Equal seeds give equal heads, and equal lesions in every contrast.",
        ),
    ] = 0,
) -> None:
    """Simulate a cohort of brain MR studies, to try D24FAD without patient data.

    Writes OUT/support (normal studies for the support set), OUT/cases (normal-001 ... and
    lesion-001 ...), OUT/masks (where the lesions are) as .nii.gz, and OUT/cohort.json, which says
    how they were made. About one second a study.

    Every subject is the ICBM152 average brain, rotated, scaled and deformed, so natural variation
    is understated: results on it are synthetic.

    Repeat the command to go on after an interruption; raise the counts to add subjects.
    """
    # NiBabel and SciPy take a while to import; other commands and `--help` need not wait for them.
    from d24fad_core.simulation.cohort import SimulationOptions, simulate_cohort

    first, *others = contrast or [Contrast.FLAIR]
    options = SimulationOptions(
        contrast=first,
        others=tuple(others),
        support=support,
        normals=normals,
        lesions=lesions,
        spacing=spacing,
        seed=seed,
    )
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("simulate", total=1.0)

        def report(step: str, fraction: float) -> None:
            bar.update(task, description=step, completed=fraction)

        simulate_cohort(out, options, report)
    typer.echo(
        f"{out}: {support} support studies, {normals} normal cases, {lesions} cases with lesions "
        f"({', '.join(each.value for each in options.contrasts)}, synthetic)."
    )
    typer.echo(RESEARCH_USE_ONLY)
