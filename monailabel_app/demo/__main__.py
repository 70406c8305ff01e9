"""`python -m monailabel_app.demo`: run the demo."""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import requests
import typer
from monailabel.client.client import MONAILabelClientException
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.errors import D24FADError
from d24fad_core.progress import Progress as ReportProgress
from monailabel_app.demo.client import Answer, analyse
from monailabel_app.demo.studies import DemoStudies, prepare_studies
from monailabel_app.server_process import ServerProcess

_FINDINGS_SHOWN = 5

console = Console(width=None if Console().is_terminal else 100)


def main(
    folder: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".demo"),
) -> None:
    """Start the server on a few studies, analyse a case over HTTP and show what was found."""
    begin = time.monotonic()
    console.print(f"[bold yellow]{RESEARCH_USE_ONLY}[/]")
    try:
        studies = prepare_studies(folder)
        console.print(
            "Real heads (OpenNeuro ds002748, CC0): four normal ones to compare with, and a fifth "
            "with and without a planted lesion."
        )
        results = folder / "results"
        server = ServerProcess(studies.folder, folder / "server.log")
        console.print(f"$ {escape(shlex.join(server.command))}")
        try:
            with _bar("Starting the server") as progress:
                server.start(lambda waited: progress("Starting the server", waited / 20))
            answers = _ask(server.url, studies, results)
        finally:
            server.stop()
    except D24FADError as error:
        console.print(f"[bold red]The demo failed.[/] {escape(str(error))}")
        raise typer.Exit(2) from error
    except (MONAILabelClientException, requests.RequestException) as error:
        reason = getattr(error, "msg", "") or str(error)
        console.print(f"[bold red]The server refused.[/] {escape(reason)}")
        console.print(escape(server.last_lines()))
        raise typer.Exit(2) from error
    for answer in answers:
        _print_findings(answer)
    _print_next_steps(answers, studies, time.monotonic() - begin)


def _ask(url: str, studies: DemoStudies, results: Path) -> list[Answer]:
    images = [studies.lesion, studies.untouched]
    answers = []
    with _bar("Analysing") as progress:
        for number, image in enumerate(images):
            step = "Preparing the normals" if number == 0 else f"Analysing {image}"
            progress(step, number / len(images))
            answers.append(analyse(url, image, results))
    return answers


def _print_findings(answer: Answer) -> None:
    report = answer.report
    calibration = report["calibration"]
    findings = report["findings"]
    title = (
        f"{answer.image}: case score {report['case_score']:.1f} z, "
        f"{len(findings) or 'no'} finding{'' if len(findings) == 1 else 's'}"
    )
    if not findings:
        console.print(f"[italic]{title}[/]\n[dim]{calibration['statement']} {RESEARCH_USE_ONLY}[/]")
        return
    table = Table(
        title=title,
        caption=f"{calibration['statement']} {RESEARCH_USE_ONLY}",
        title_justify="left",
        caption_justify="left",
    )
    for name in ("rank", "volume (ml)", "peak (z)", "mean (z)", "centre, RAS (mm)", "slices"):
        table.add_column(name, justify="right")
    for finding in findings[:_FINDINGS_SHOWN]:
        table.add_row(
            str(finding["rank"]),
            f"{finding['volume_ml']:.1f}",
            f"{finding['peak_score']:.1f}",
            f"{finding['mean_score']:.1f}",
            ", ".join(f"{place:.0f}" for place in finding["centroid_ras_mm"]),
            "{}-{}".format(*finding["slice_range"]),
        )
    if len(findings) > _FINDINGS_SHOWN:
        table.add_row("…", *[""] * 5)
    console.print(table)


def _print_next_steps(answers: list[Answer], studies: DemoStudies, seconds: float) -> None:
    console.print("Pictures, on one colour scale:")
    for answer in answers:
        console.print(f"  {answer.overlay}", soft_wrap=True)
    console.print(f"Heatmaps and masks (NIfTI): {answers[0].mask.parent}", soft_wrap=True)
    console.print(
        "To look at a case in 3D Slicer: open the scan and its heatmap as volumes and its mask as "
        "a segmentation (File > Add Data), or start the server again with"
    )
    console.print(
        f"  monailabel start_server --app monailabel_app --studies {studies.folder} "
        "--host 127.0.0.1",
        soft_wrap=True,
    )
    console.print(
        "and use the D24FAD module (or MONAI Label's own) with server http://127.0.0.1:8000."
    )
    console.print(f"Done in {seconds:.0f} s; the server is stopped.")


@contextmanager
def _bar(title: str) -> Iterator[ReportProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=1.0)

        def report(step: str, fraction: float) -> None:
            progress.update(task, description=step, completed=min(fraction, 0.99))

        yield report
        progress.update(task, description=title, completed=1.0)


if __name__ == "__main__":
    typer.run(main)
