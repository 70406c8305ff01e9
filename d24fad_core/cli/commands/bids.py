"""`d24fad bids`: a BIDS app."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cache.folder import default_folder
from d24fad_core.cli.messages import progress_bar, spoken_warnings, warn
from d24fad_core.cli.options.as_for_detect import (
    BrainOption,
    CheckpointOption,
    ComparisonOption,
    PlaneOption,
    WindowOption,
)
from d24fad_core.cli.options.paths import check_checkpoint, check_exists, check_writable
from d24fad_core.comparison.kind import ComparisonChoice
from d24fad_core.errors import CancelledError, ConfigurationError, InputError
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Plane

if TYPE_CHECKING:
    from d24fad_core.archive.scan import ScanSummary
    from d24fad_core.bids.dataset import BidsDataset, Selection

EPILOG = """
Examples:

    d24fad bids dataset/ derivatives/d24fad participant --normals group=control --suffix T1w

    d24fad bids dataset/ derivatives/d24fad participant --normals 01 02 03 04 \\
        --participant-label 11 12

    d24fad bids dataset/ derivatives/d24fad participant --normals other/ --filter acq=highres

    d24fad bids dataset/ derivatives/d24fad group
"""


class Level(str, Enum):
    """The levels of analysis of a BIDS app."""

    PARTICIPANT = "participant"
    GROUP = "group"


def bids(
    root: Annotated[
        Path,
        typer.Argument(metavar="ROOT", help="The BIDS dataset.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The derivative dataset to write; made if it does not exist. A stopped run goes "
            "on when the command is repeated.",
            show_default=False,
        ),
    ],
    level: Annotated[
        Level,
        typer.Argument(
            metavar="participant|group",
            help="participant analyses scans; group writes the table of all that were analysed.",
            show_default=False,
        ),
    ],
    normals: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHO",
            help="For participant: the normals. Labels of participants, COLUMN=VALUE of "
            "participants.tsv (such as group=control), the root of another BIDS dataset, or a "
            "folder of studies; several at once or repeated. Participants among them are no cases.",
            show_default=False,
        ),
    ] = None,
    participant_label: Annotated[
        list[str] | None,
        typer.Option(
            "--participant-label",
            "--participant_label",
            metavar="LABEL",
            help="Participants to analyse, with or without sub-; several at once or repeated.",
            show_default="all that are no normals",
        ),
    ] = None,
    session_label: Annotated[
        list[str] | None,
        typer.Option(
            "--session-label",
            "--session_label",
            metavar="LABEL",
            help="Sessions to take, with or without ses-; of the normals too.",
            show_default="all",
        ),
    ] = None,
    suffix: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Kind of scan, such as T1w or FLAIR.",
            show_default="the only one in the anat folders",
        ),
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="ENTITY=VALUE",
            help="Only scans of this entity, such as acq=highres; with nothing behind the =, "
            "scans without the entity.",
            show_default=False,
        ),
    ] = None,
    checkpoint: CheckpointOption = None,
    plane: PlaneOption = None,
    comparison: ComparisonOption = ComparisonChoice.AUTO,
    window: WindowOption = "body",
    brain: BrainOption = BrainMask.AUTO,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            envvar="D24FAD_CACHE",
            help="Where the normals' features are kept.",
            show_default="d24fad in the user's cache folder",
        ),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html/--no-html", help="Write a page of each scan.")
    ] = True,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Processes, each with a model of its own. Needs pip install 'd24fad[archive]'.",
            show_default="this one alone",
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, metavar="N", help="CPU threads of each process.")
    ] = 1,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="cpu, cuda, or auto: a GPU where there is one.")
    ] = "cpu",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only warnings and errors.")
    ] = False,
) -> None:
    """Analyse the scans of a BIDS dataset against normal ones, and write a BIDS derivative.

    Sidecars tell modality, sequence and scanner: what was acquired in another way than the normals
    is refused by name, another scanner is warned of in the result. Scans that have a result are
    not analysed again.
    """
    from d24fad_core.bids.dataset import BidsDataset, Selection

    check_exists(root)
    check_checkpoint(checkpoint)
    check_writable(out)
    dataset = BidsDataset(root)
    selection = Selection(
        suffix=suffix,
        entities=_entities(filters or ()),
        participants=tuple(label.removeprefix("sub-") for label in participant_label or ()),
        sessions=tuple(label.removeprefix("ses-") for label in session_label or ()),
    )
    if level is Level.GROUP:
        _write_group(dataset, selection, out, quiet=quiet)
        return
    if not normals:
        columns = ", ".join(dataset.participants()[0]) if dataset.participants() else "none"
        raise ConfigurationError(
            "there is nothing to compare the scans with",
            "name the normals by --normals: participants, COLUMN=VALUE of participants.tsv "
            f"(columns: {columns}), another BIDS dataset or a folder of studies.",
        )
    from d24fad_core.archive.analyst import AnalystPlan
    from d24fad_core.archive.identity import check_same_scan
    from d24fad_core.archive.scan import ScanOptions, scan, scan_here
    from d24fad_core.bids.cases import find_cases
    from d24fad_core.bids.derivatives import (
        CHOICES_FILE,
        DerivativeRows,
        DerivativeWriter,
        start_dataset,
    )
    from d24fad_core.bids.normals import find_normals
    from d24fad_core.detection.options import DetectionOptions
    from d24fad_core.networks.device import named_device

    support = find_normals(dataset, normals, selection)
    cases = find_cases(dataset, selection, support)
    plan = AnalystPlan(
        support=support.paths,
        options=DetectionOptions(
            planes=tuple(plane or (Plane.AXIAL,)),
            ct_window=window,
            comparison=comparison.kind,
        ),
        cache_folder=(cache or default_folder()).absolute(),
        checkpoint=checkpoint.absolute() if checkpoint else None,
        modality=cases.modality,
        brain=brain,
        device=named_device(device),
        threads=threads,
        write=DerivativeWriter(out.absolute(), html),
    )
    rows = DerivativeRows(out, cases.studies)
    for reason in cases.refusals:
        warn(f"not analysed: {reason}.")
    try:
        with spoken_warnings():
            start_dataset(out, root)
            check_same_scan(out / CHOICES_FILE, plan, out)
            with progress_bar("scans", quiet=quiet) as progress:
                if workers is None:
                    summary = scan_here(cases.studies, plan.load, rows, progress)
                else:
                    spread = ScanOptions(workers, threads, float(plan.device != "cpu") / workers)
                    summary = scan(cases.studies, plan.load, rows, spread, progress)
    except KeyboardInterrupt:
        raise CancelledError(
            "stopped",
            "repeat the command to go on with the scans that have no result yet",
        ) from None
    for row in rows.failures:
        warn(f"not analysed: {row.study}: {row.error}")
    _tell(summary, out, len(cases.refusals), quiet=quiet)


def _entities(filters: "tuple[str, ...] | list[str]") -> dict[str, list[str]]:
    entities: dict[str, list[str]] = {}
    for text in filters:
        entity, sign, value = text.partition("=")
        if not sign or not entity.isalpha():
            raise ConfigurationError(
                f"--filter {text}: is not of the form ENTITY=VALUE",
                "give acq=highres, say.",
            )
        if entity in ("sub", "ses"):
            option = {"sub": "--participant-label", "ses": "--session-label"}[entity]
            raise ConfigurationError(
                f"--filter {text}: this has an option of its own",
                f"use {option} {value or 'LABEL'} instead.",
            )
        entities.setdefault(entity, []).append(value)
    return entities


def _write_group(dataset: "BidsDataset", selection: "Selection", out: Path, *, quiet: bool) -> None:
    from d24fad_core.bids.group import write_group

    table = write_group(out, [scan.entry for scan in dataset.all_scans(selection)])
    if not quiet:
        typer.echo(table)
        typer.echo(RESEARCH_USE_ONLY)


def _tell(summary: "ScanSummary", out: Path, refusals: int, *, quiet: bool) -> None:
    if not quiet:
        typer.echo(
            f"{out}: {summary.analysed} scans analysed, {summary.failed + refusals} not, "
            f"{summary.skipped} done before."
        )
        typer.echo(RESEARCH_USE_ONLY)
    if summary.failed or refusals:
        raise InputError(
            f"{summary.failed + refusals} scans could not be analysed, for the reasons above",
            "choose others by --participant-label, --session-label or --filter, or mend them and "
            "repeat the command.",
        )
