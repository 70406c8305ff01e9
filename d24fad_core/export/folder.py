"""All files of one analysis in one folder."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.nifti import write_heatmap, write_mask
from d24fad_core.export.overlay import write_overlay
from d24fad_core.export.report import write_report
from d24fad_core.files import whole_file
from d24fad_core.volumes.volume import Volume


@dataclass(frozen=True)
class WrittenFiles:
    """Where the parts of a result were written."""

    heatmap: Path
    mask: Path
    report: Path
    overlay: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "WrittenFiles":
        """The names that the parts have in a folder."""
        return cls(
            heatmap=folder / "heatmap.nii.gz",
            mask=folder / "mask.nii.gz",
            report=folder / "report.json",
            overlay=folder / "overlay.png",
        )


def write_result(query: Volume, result: AnomalyResult, folder: Path) -> WrittenFiles:
    """Write heatmap.nii.gz, mask.nii.gz, report.json and overlay.png into a folder.

    The files take their names together, after the last is written: when one cannot be written,
    the results of an earlier analysis in the folder stay as they were.

    Args:
        query: the study that was analysed.
        result: its analysis.
        folder: made if it does not exist.

    Returns:
        The paths of the files.
    """
    files = WrittenFiles.in_folder(folder)
    with ExitStack() as together:
        write_heatmap(result, together.enter_context(whole_file(files.heatmap)))
        write_mask(result, together.enter_context(whole_file(files.mask)))
        write_overlay(query, result, together.enter_context(whole_file(files.overlay)))
        write_report(result, together.enter_context(whole_file(files.report)))
    return files
