"""All files of one analysis in one folder."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.change.result import ChangeResult
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.changes_table import write_changes
from d24fad_core.export.findings_table import write_findings
from d24fad_core.export.html import write_change_html, write_html
from d24fad_core.export.nifti import write_change_map, write_heatmap, write_mask, write_ranks
from d24fad_core.export.report import change_report_document, report_text, write_report
from d24fad_core.files import whole_file, write_text
from d24fad_core.io.own_results import (
    CHANGE_FILE,
    CHANGE_PICTURE_FILE,
    CHANGE_TABLE_FILE,
    HEATMAP_FILE,
    MASK_FILE,
    OVERLAY_FILE,
    PAGE_FILE,
    RANKS_FILE,
    REPORT_FILE,
    RESULT_FILES,
    TABLE_FILE,
)
from d24fad_core.side_by_side import side_by_side
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.volumes.volume import Volume


@dataclass(frozen=True)
class ChangeFiles:
    """Where the parts of a comparison with a prior were written.

    Attributes:
        heatmap: change.nii.gz, signed z.
        table: changes.csv, one row a change.
        picture: changes.png, prior and case side by side.
        report: report.json.
        page: report.html of a comparison with a prior alone; None where it was not wanted, or where
            the page of a result shows the change too.
    """

    heatmap: Path
    table: Path
    picture: Path
    report: Path
    page: Path | None = None

    @classmethod
    def in_folder(cls, folder: Path, *, page: bool = False) -> "ChangeFiles":
        """The names that the parts have in a folder.

        Args:
            folder: where they lie.
            page: whether a page of the change alone is one of them.
        """
        return cls(
            heatmap=folder / CHANGE_FILE,
            table=folder / CHANGE_TABLE_FILE,
            picture=folder / CHANGE_PICTURE_FILE,
            report=folder / REPORT_FILE,
            page=folder / PAGE_FILE if page else None,
        )

    def results(self) -> list[Path]:
        """All but the report, in the order in which a reader wants them."""
        return [self.picture, self.table, self.heatmap]

    def paths(self) -> list[Path]:
        """All of them, in the order in which a reader wants them."""
        own = [self.picture, self.report, self.table, self.heatmap]
        return own if self.page is None else [self.page, *own]


@dataclass(frozen=True)
class WrittenFiles:
    """Where the parts of a result were written.

    Attributes:
        heatmap: heatmap.nii.gz, scores in z units.
        mask: mask.nii.gz, 1 where a finding is.
        ranks: findings.nii.gz, the rank of the finding that a voxel belongs to.
        findings: findings.csv, one row a finding.
        report: report.json, everything but the voxels.
        overlay: overlay.png, the slices with the highest scores.
        page: report.html, to scroll through it all; None where it was not wanted.
        change: what a comparison with a prior adds; None where there was none.
    """

    heatmap: Path
    mask: Path
    ranks: Path
    findings: Path
    report: Path
    overlay: Path
    page: Path | None
    change: "ChangeFiles | None" = None

    @classmethod
    def in_folder(cls, folder: Path, *, page: bool = True, change: bool = False) -> "WrittenFiles":
        """The names that the parts have in a folder.

        Args:
            folder: where they lie.
            page: whether report.html is one of them.
            change: whether the study is compared with a prior too.
        """
        return cls(
            heatmap=folder / HEATMAP_FILE,
            mask=folder / MASK_FILE,
            ranks=folder / RANKS_FILE,
            findings=folder / TABLE_FILE,
            report=folder / REPORT_FILE,
            overlay=folder / OVERLAY_FILE,
            page=folder / PAGE_FILE if page else None,
            change=ChangeFiles.in_folder(folder) if change else None,
        )

    def paths(self) -> list[Path]:
        """All of them, in the order in which a reader wants them."""
        parts = (
            self.page,
            self.overlay,
            self.report,
            self.findings,
            self.heatmap,
            self.mask,
            self.ranks,
        )
        own = [path for path in parts if path is not None]
        return own if self.change is None else [*own, *self.change.results()]


def write_result(
    query: Volume,
    result: AnomalyResult,
    folder: Path,
    *,
    page: bool = True,
    normals: Sequence[MatchedNormal] = (),
    change: ChangeResult | None = None,
) -> WrittenFiles:
    """Write all files of a result into a folder, see `WrittenFiles`.

    The files take their names together, after the last is written: when one cannot be written,
    the results of an earlier analysis in the folder stay as they were.

    Args:
        query: the study that was analysed.
        result: its analysis.
        folder: made if it does not exist.
        page: whether to write report.html; a page of an earlier analysis is removed otherwise.
        normals: normals that the page shows beside the study, the nearest first.
        change: the study's comparison with a prior; files of an earlier one are removed otherwise.

    Returns:
        The paths of the files.
    """
    # Matplotlib takes half a second to import, which an analysis need not wait for.
    from d24fad_core.export.pictures.overlay import write_overlay

    files = WrittenFiles.in_folder(folder, page=page, change=change is not None)
    with ExitStack() as together:
        heatmap = together.enter_context(whole_file(files.heatmap))
        mask = together.enter_context(whole_file(files.mask))
        ranks = together.enter_context(whole_file(files.ranks))
        findings = together.enter_context(whole_file(files.findings))
        overlay = together.enter_context(whole_file(files.overlay))
        page_file = together.enter_context(whole_file(files.page)) if files.page else None

        def write_voxels() -> None:
            write_heatmap(result, heatmap)
            write_mask(result, mask)
            write_ranks(result, ranks)
            write_findings(result, findings)
            if page_file is not None:
                write_html(query, result, page_file, normals, change)

        side_by_side(lambda: write_overlay(query, result, overlay), write_voxels)
        if change is not None:
            _write_change(query, change, ChangeFiles.in_folder(folder), together)
        write_report(result, together.enter_context(whole_file(files.report)), change)
    _remove_others(folder, files.paths())
    return files


def write_change_result(
    case: Volume, change: ChangeResult, folder: Path, *, page: bool = True
) -> ChangeFiles:
    """Write all files of a comparison with a prior alone into a folder, see `ChangeFiles`.

    As with `write_result`, they take their names together. Results of an earlier analysis are
    removed.

    Args:
        case: the study that was compared.
        change: the comparison.
        folder: made if it does not exist.
        page: whether to write report.html.
    """
    files = ChangeFiles.in_folder(folder, page=page)
    with ExitStack() as together:
        _write_change(case, change, files, together)
        if files.page is not None:
            write_change_html(case, change, together.enter_context(whole_file(files.page)))
        report = report_text(change_report_document(case, change))
        write_text(together.enter_context(whole_file(files.report)), report)
    _remove_others(folder, files.paths())
    return files


def _write_change(
    case: Volume, change: ChangeResult, files: ChangeFiles, together: ExitStack
) -> None:
    from d24fad_core.export.pictures.change_picture import write_change_picture

    write_change_map(change, together.enter_context(whole_file(files.heatmap)))
    write_changes(case.name, change, together.enter_context(whole_file(files.table)))
    write_change_picture(case, change, together.enter_context(whole_file(files.picture)))


def _remove_others(folder: Path, results: Sequence[Path]) -> None:
    """Remove what an earlier analysis left and this one did not replace.

    It would speak of another result than the files beside it.
    """
    for name in RESULT_FILES:
        if folder / name not in results:
            (folder / name).unlink(missing_ok=True)
