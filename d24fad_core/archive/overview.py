"""A scan as a page: its rows by case score, each linked to the page of its study."""

from collections.abc import Sequence
from pathlib import Path

from d24fad_core.archive.study_row import StudyRow
from d24fad_core.export.html import ArchiveEntry, write_archive_page


def write_overview(rows: Sequence[StudyRow], folder: Path) -> Path:
    """Write index.html into the folder of a scan.

    Args:
        rows: one a study.
        folder: of the scan; studies' own pages are looked for in its `results`.

    Returns:
        The page.
    """
    path = folder / "index.html"
    write_archive_page([_entry(row, folder) for row in rows], f"Scan {folder.name}", path)
    return path


def _entry(row: StudyRow, folder: Path) -> ArchiveEntry:
    page = f"results/{row.identifier}/report.html"
    return ArchiveEntry(
        study=row.study,
        case_score=row.case_score,
        p_value=row.p_value,
        peak_scores=row.peak_scores,
        volumes_ml=row.volumes_ml,
        error=row.error,
        page=page if (folder / page).is_file() else None,
    )
