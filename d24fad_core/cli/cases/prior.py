"""What `d24fad detect --prior` adds: the comparison with an earlier study of the patient."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli.cases.studies import read_study
from d24fad_core.cli.messages import Telling, progress_bar, spoken_warnings, warn
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Modality, Volume

if TYPE_CHECKING:
    from d24fad_core.change.result import ChangeResult
    from d24fad_core.detection.result import AnomalyResult

_ROWS = 20


@dataclass(frozen=True)
class PriorStudy:
    """What the user said about the prior and about masks.

    Attributes:
        path: file or folder of the prior.
        modality: what the values are, where the files do not say it.
        largest: voxels above which a study is reduced while it is read.
        mask: mask file of the case.
        brain: how heads without a file are stripped.
    """

    path: Path
    modality: Modality | None
    largest: int
    mask: Path | None
    brain: BrainMask


@dataclass(frozen=True)
class ChangeOutputs:
    """What is written of a comparison with a prior alone.

    Attributes:
        page: whether report.html is written.
        dicom: whether DICOM objects are written.
        stow: where they are sent to.
        json: whether the report is printed.
    """

    page: bool
    dicom: bool
    stow: str | None
    json: bool


def detect_changes(
    prior: PriorStudy,
    image: Path,
    out: Path,
    cache: Path | None,
    telling: Telling,
    outputs: ChangeOutputs,
) -> None:
    """Compare a study with a prior alone, write the files and tell the changes.

    Args:
        prior: the prior and the choice of masks.
        image: the study.
        out: where the files go.
        cache: folder of what earlier analyses kept.
        telling: what is said of the progress and the result.
        outputs: what is written.

    Raises:
        D24FADError: the two cannot be compared, or there can be no DICOM results.
    """
    from d24fad_core.change.comparison import compare_with_prior
    from d24fad_core.cli.cases.dicom_outbox import DicomOutbox
    from d24fad_core.export import change_report_document, write_change_result
    from d24fad_core.export.report import report_text
    from d24fad_core.masking.study_masks import mask_by_file

    case = read_study(image, prior.modality, prior.largest, cache)
    earlier = read_study(prior.path, prior.modality, prior.largest, cache)
    send = outputs.dicom or outputs.stow
    outbox = DicomOutbox.open(image, case, out, outputs.stow, prior.path) if send else None
    with spoken_warnings():
        if prior.mask is not None:
            case = mask_by_file(case, prior.mask, prior.largest)
        case = _stripped(case, prior, cache)
    with progress_bar("prior", telling) as progress:
        change = compare_with_prior(case, earlier, progress=progress)
    files = write_change_result(case, change, out, page=outputs.page)
    if outbox is not None:
        outbox.deliver_change(change)
    for warning in change.warnings:
        warn(str(warning))
    if outputs.json:
        typer.echo(report_text(change_report_document(case, change)), nl=False)
    elif telling is not Telling.QUIET:
        console = Console(markup=False, highlight=False)
        show_changes(change, console)
        for path in files.paths():
            typer.echo(path)
        if outbox is not None:
            typer.echo(outbox.folder)
        console.print(RESEARCH_USE_ONLY, style="bold")


def changes_of_case(
    prior: PriorStudy,
    case: Volume,
    result: "AnomalyResult",
    detect: "Callable[[Volume], AnomalyResult]",
    cache: Path | None,
) -> "ChangeResult":
    """Compare a study that was analysed against normals with a prior, which is analysed too.

    Args:
        prior: the prior and the choice of masks.
        case: the study, masked as it was analysed.
        result: its analysis.
        detect: analyses a study against the same normals.
        cache: folder of what earlier analyses kept.
    """
    from d24fad_core.change.against_normals import changes_against_normals

    with spoken_warnings():
        earlier = read_study(prior.path, prior.modality, prior.largest, cache)
        return changes_against_normals(
            case, earlier, result, detect, lambda study: _stripped(study, prior, cache)
        )


def _stripped(study: Volume, prior: PriorStudy, cache: Path | None) -> Volume:
    """A study without scalp and face, which move and change as no lesion does."""
    from d24fad_core.masking.study_masks import StudyMasks

    masks = StudyMasks(prior.brain, cache, strip_heads=True)
    return masks.mask_case(study, brains=True)


def show_changes(change: "ChangeResult", console: Console) -> None:
    """Print what changed."""
    from d24fad_core.export.wording import volume_text

    if not change.changes:
        console.print(f"No change since {change.use.name} above {change.threshold:.2f} z.")
        return
    table = Table(
        title=f"Changes since {change.use.name} above {change.threshold:.2f} z",
        title_justify="left",
    )
    for heading in ("rank", "what", "ml before", "ml now", "peak z", "centre RAS mm"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in change.changes[:_ROWS]:
        table.add_row(
            str(each.rank),
            each.kind.value,
            volume_text(each.prior_volume_ml),
            volume_text(each.volume_ml),
            f"{each.peak_score:.2f}",
            ", ".join(f"{place:.1f}" for place in each.centroid_ras_mm),
        )
    console.print(table)
    console.print("peak z: above 0 where the study is brighter than the prior", style="dim")
    if len(change.changes) > _ROWS:
        console.print(f"and {len(change.changes) - _ROWS} more in report.json")
