"""What `d24fad detect` prints of a result."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.cli.cases.contrasts import show_contrasts
from d24fad_core.cli.cases.prior import show_changes
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.volumes.volume import Modality

if TYPE_CHECKING:
    from d24fad_core.change.result import ChangeResult
    from d24fad_core.export import WrittenFiles

_ROWS = 20


def show_result(
    result: AnomalyResult, files: "WrittenFiles", change: "ChangeResult | None"
) -> None:
    """Print the case score, the findings, the changes and the files."""
    from d24fad_core.detection.source_grid import on_source_grid
    from d24fad_core.export.wording import as_high_count, choice_sentence, volume_text

    console = Console(markup=False, highlight=False)
    findings = on_source_grid(result).findings
    calibration = result.calibration
    console.print(
        f"{result.provenance.query_name}: case score {result.case_score:.2f} z, "
        f"p = {calibration.p_value:.3f} against {calibration.normal_patients} normal patients"
    )
    console.print(calibration.statement, style="dim")
    choice = choice_sentence(result)
    if choice is not None:
        console.print(choice, style="dim")
    mask = result.provenance.parameters.get("mask", "none")
    if mask != "none":
        console.print(f"Analysed inside a mask alone: {mask}.", style="dim")
    if findings:
        table = Table(title=f"Findings above {calibration.threshold:.2f} z", title_justify="left")
        for heading in (
            "rank",
            "volume ml",
            "peak z",
            "mean z",
            "centre RAS mm",
            "slices",
            "normals",
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        for finding in findings[:_ROWS]:
            first, last = finding.slice_range
            as_high = as_high_count(finding, calibration)
            table.add_row(
                str(finding.rank),
                volume_text(finding.volume_ml),
                f"{finding.peak_score:.2f}",
                f"{finding.mean_score:.2f}",
                ", ".join(f"{place:.1f}" for place in finding.centroid_ras_mm),
                str(first) if first == last else f"{first}-{last}",
                "-" if as_high is None else f"{as_high} of {calibration.normal_patients}",
            )
        console.print(table)
        console.print("normals: how many of them score as high as the peak anywhere", style="dim")
        for finding in findings[:_ROWS]:
            if finding.place is not None:
                console.print(f"{finding.rank:>4}  {finding.place}")
        show_contrasts(result, console, _ROWS)
        if len(findings) > _ROWS:
            console.print(f"and {len(findings) - _ROWS} more in {files.report.name}")
    else:
        console.print(f"No finding above {calibration.threshold:.2f} z.")
    if change is not None:
        show_changes(change, console)
    if _is_window_in_mr(result):
        console.print(
            "If this is a brain: --comparison learned finds more in brains in MR (BENCHMARK.md).",
            style="dim",
        )
    for path in files.paths():
        typer.echo(path)
    console.print(RESEARCH_USE_ONLY, style="bold")


def _is_window_in_mr(result: AnomalyResult) -> bool:
    """Whether the comparison that is weak on real brains was used where they may be."""
    parameters = result.provenance.parameters
    return (parameters.get("modality"), parameters.get("comparison")) == (
        Modality.MR.value,
        ComparisonKind.WINDOW.value,
    )
