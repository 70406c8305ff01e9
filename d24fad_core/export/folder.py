"""All files of one analysis in one folder."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.findings_table import write_findings
from d24fad_core.export.html import write_html
from d24fad_core.export.nifti import write_heatmap, write_mask, write_ranks
from d24fad_core.export.overlay import write_overlay
from d24fad_core.export.report import write_report
from d24fad_core.files import whole_file
from d24fad_core.io.own_results import (
    HEATMAP_FILE,
    MASK_FILE,
    OVERLAY_FILE,
    PAGE_FILE,
    RANKS_FILE,
    REPORT_FILE,
    TABLE_FILE,
)
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.volumes.volume import Volume


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
    """

    heatmap: Path
    mask: Path
    ranks: Path
    findings: Path
    report: Path
    overlay: Path
    page: Path | None

    @classmethod
    def in_folder(cls, folder: Path, *, page: bool = True) -> "WrittenFiles":
        """The names that the parts have in a folder.

        Args:
            folder: where they lie.
            page: whether report.html is one of them.
        """
        return cls(
            heatmap=folder / HEATMAP_FILE,
            mask=folder / MASK_FILE,
            ranks=folder / RANKS_FILE,
            findings=folder / TABLE_FILE,
            report=folder / REPORT_FILE,
            overlay=folder / OVERLAY_FILE,
            page=folder / PAGE_FILE if page else None,
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
        return [path for path in parts if path is not None]


def write_result(
    query: Volume,
    result: AnomalyResult,
    folder: Path,
    *,
    page: bool = True,
    normals: Sequence[MatchedNormal] = (),
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

    Returns:
        The paths of the files.
    """
    files = WrittenFiles.in_folder(folder, page=page)
    with ExitStack() as together:
        write_heatmap(result, together.enter_context(whole_file(files.heatmap)))
        write_mask(result, together.enter_context(whole_file(files.mask)))
        write_ranks(result, together.enter_context(whole_file(files.ranks)))
        write_findings(result, together.enter_context(whole_file(files.findings)))
        write_overlay(query, result, together.enter_context(whole_file(files.overlay)))
        if files.page is not None:
            target = together.enter_context(whole_file(files.page))
            write_html(query, result, target, normals)
        write_report(result, together.enter_context(whole_file(files.report)))
    if files.page is None:
        # A page of an earlier analysis would speak of another result than the files beside it.
        (folder / PAGE_FILE).unlink(missing_ok=True)
    return files
