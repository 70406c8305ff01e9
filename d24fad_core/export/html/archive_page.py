"""One page for a whole scan: every study by falling case score, linked to its own page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.export.html.page import filled, policy, resource
from d24fad_core.export.wording import count_text, volume_text
from d24fad_core.files import write_text


@dataclass(frozen=True)
class ArchiveEntry:
    """One study of a scan.

    Attributes:
        study: the entry in the worklist.
        case_score: z units; None where the analysis failed.
        p_value: of the case score.
        peak_scores: of its findings, falling.
        volumes_ml: of its findings.
        error: why it failed; empty where it did not.
        page: its own page, relative to this one; None where there is none.
    """

    study: str
    case_score: float | None
    p_value: float | None
    peak_scores: Sequence[float]
    volumes_ml: Sequence[float]
    error: str
    page: str | None


def write_archive_page(entries: Sequence[ArchiveEntry], title: str, path: Path) -> None:
    """Write the page: highest case score first, studies that failed last.

    Args:
        entries: the studies, in any order.
        title: what to call the scan.
        path: written whole or not at all.
    """
    style, script = resource("report.css"), resource("theme.js")
    ordered = sorted(
        entries,
        key=lambda entry: (
            entry.case_score is None,
            -entry.case_score if entry.case_score is not None else 0.0,
            entry.study,
        ),
    )
    failed = sum(bool(entry.error) for entry in entries)
    summary = f"{count_text(len(entries), 'study', 'studies').capitalize()} by case score"
    if failed:
        summary += f"; {failed} could not be analysed and stand at the end"
    parts = {
        "policy": policy([script], style),
        "title": escape(title),
        "style": style,
        "heading": escape(title),
        "notice": RESEARCH_USE_ONLY,
        "summary": f"{summary}.",
        "rows": "\n".join(_row(number, entry) for number, entry in enumerate(ordered, start=1)),
        "script": script,
    }
    write_text(path, filled(resource("archive.html"), parts))


def _row(number: int, entry: ArchiveEntry) -> str:
    name = escape(entry.study)
    if entry.page is not None:
        name = f'<a href="{escape(quote(entry.page))}">{name}</a>'
    if entry.case_score is None or entry.p_value is None:
        rest = f'<td colspan="5" class="words">{escape(entry.error)}</td>'
    else:
        peak = f"{entry.peak_scores[0]:.1f}" if entry.peak_scores else "–"
        volume = volume_text(sum(entry.volumes_ml)) if entry.volumes_ml else "–"
        rest = "".join(
            f"<td>{value}</td>"
            for value in (
                f"{entry.case_score:.1f}",
                f"{entry.p_value:.3f}",
                str(len(entry.peak_scores)),
                peak,
                volume,
            )
        )
    return f'<tr><td>{number}</td><th scope="row" class="words">{name}</th>{rest}</tr>'
