"""`d24fad scan`: analyse all studies of a worklist, in several processes."""

from pathlib import Path
from typing import Annotated

import typer

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cache.folder import default_folder
from d24fad_core.cli.cases.studies import support_paths
from d24fad_core.cli.messages import progress_bar, warn
from d24fad_core.cli.options.as_for_detect import (
    BrainOption,
    CheckpointOption,
    ComparisonOption,
    PlaneOption,
    WindowOption,
)
from d24fad_core.cli.options.paths import check_checkpoint, check_exists
from d24fad_core.comparison.kind import ComparisonChoice
from d24fad_core.errors import CancelledError
from d24fad_core.extras import extra
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Modality, Plane

EPILOG = """
Examples:

    d24fad scan worklist.txt --support normals/ --out archive --workers 8

    d24fad scan worklist.txt --support normals/ --out archive --cluster auto --workers 64
"""


def scan(
    worklist: Annotated[
        Path,
        typer.Argument(
            metavar="WORKLIST",
            help="Text file with the path of one study a line, relative to the file's folder.",
            show_default=False,
        ),
    ],
    support: Annotated[
        list[Path],
        typer.Option(
            metavar="PATH",
            help="Normal studies, as for d24fad detect; repeat it for several.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Where OUT/rows, a table of Parquet files with one row a study, is written. A "
            "stopped scan goes on when the command is repeated.",
            show_default=False,
        ),
    ],
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes, each with a model of its own.")
    ] = 1,
    threads: Annotated[int, typer.Option(min=1, metavar="N", help="CPU threads of each.")] = 1,
    attempts: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="How often a study is begun before it counts as failed."
        ),
    ] = 3,
    results: Annotated[
        bool,
        typer.Option(
            "--results",
            help="Also write heatmap, mask, report, picture and page of every study.",
        ),
    ] = False,
    html: Annotated[
        bool,
        typer.Option(
            "--html/--no-html",
            help="Write OUT/index.html, all studies by case score, and with --results a page of "
            "each study.",
        ),
    ] = True,
    checkpoint: CheckpointOption = None,
    plane: PlaneOption = None,
    comparison: ComparisonOption = ComparisonChoice.AUTO,
    modality: Annotated[
        Modality | None,
        typer.Option(
            metavar="CT|MR", case_sensitive=False, help="As for detect.", show_default=False
        ),
    ] = None,
    window: WindowOption = "body",
    brain: BrainOption = BrainMask.AUTO,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            envvar="D24FAD_CACHE",
            help="Where the support's features are kept; every worker must be able to read it.",
            show_default="d24fad in the user's cache folder",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")
    ] = "cpu",
    gpus: Annotated[
        float, typer.Option(min=0.0, help="Share of a GPU that a worker takes, with cuda.")
    ] = 0.0,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A running Ray cluster; auto finds the one that this machine belongs to.",
            show_default="this machine alone",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only warnings and errors.")
    ] = False,
) -> None:
    """Analyse every study of an archive against the same normal studies.

    A study that fails is tried again and then has the reason in its row; the others go on. Needs
    `pip install 'd24fad[archive]'`.
    """
    check_exists(worklist, *support)
    check_checkpoint(checkpoint)
    with extra("archive", "scanning an archive"):
        from d24fad_core.archive.analyst import AnalystPlan, FolderWriter
        from d24fad_core.archive.identity import check_same_scan
        from d24fad_core.archive.overview import write_overview
        from d24fad_core.archive.rows import RowFolder, read_rows
        from d24fad_core.archive.scan import ScanOptions
        from d24fad_core.archive.scan import scan as scan_archive
        from d24fad_core.archive.worklist import read_worklist
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.networks.device import named_device

    studies = read_worklist(worklist)
    plan = AnalystPlan(
        support=tuple(path.absolute() for path in support_paths(support)),
        options=DetectionOptions(
            planes=tuple(plane or (Plane.AXIAL,)),
            ct_window=window,
            comparison=comparison.kind,
        ),
        cache_folder=(cache or default_folder()).absolute(),
        checkpoint=checkpoint.absolute() if checkpoint else None,
        modality=modality,
        brain=brain,
        device=named_device(device),
        threads=threads,
        write=FolderWriter((out / "results").absolute(), html) if results else None,
    )
    options = ScanOptions(workers, threads, gpus, attempts, cluster)
    rows = RowFolder(out / "rows")
    check_same_scan(out / "scan.json", plan, out)
    try:
        with progress_bar("archive", quiet=quiet) as progress:
            summary = scan_archive(studies, plan.load, rows, options, progress)
    except KeyboardInterrupt:
        raise CancelledError(
            "stopped",
            "repeat the command to go on with the studies that have no row yet",
        ) from None
    page = write_overview(read_rows(out / "rows"), out) if html else None
    if summary.failed:
        warn(f"{summary.failed} studies failed; column 'error' of {out / 'rows'} says why.")
    if not quiet:
        typer.echo(
            f"{out / 'rows'}: {summary.analysed} studies analysed, {summary.failed} failed, "
            f"{summary.skipped} done before."
        )
        if page is not None:
            typer.echo(page)
        typer.echo(RESEARCH_USE_ONLY)
