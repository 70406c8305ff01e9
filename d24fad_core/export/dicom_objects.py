"""All DICOM objects of a result; the command line and the server write the same ones."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import ConfigurationError
from d24fad_core.export.dicom_capture import heat_captures
from d24fad_core.export.dicom_parametric_map import heatmap_parametric_map
from d24fad_core.export.dicom_report import findings_report
from d24fad_core.export.dicom_segmentation import findings_segmentation
from d24fad_core.export.dicom_source import DicomSource
from d24fad_core.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class DicomObjects:
    """A result as DICOM.

    Attributes:
        segmentation: the findings, one segment each.
        parametric_map: the heatmap.
        report: scores and volumes, TID 1500, which refers to the segmentation.
        captures: a colour picture a slice; none where they were not wanted.
    """

    segmentation: Dataset
    parametric_map: Dataset
    report: Dataset
    captures: tuple[Dataset, ...] = ()

    def __iter__(self) -> Iterator[Dataset]:
        return iter((self.segmentation, self.parametric_map, self.report, *self.captures))


def dicom_objects(
    source: DicomSource, result: AnomalyResult, query: Volume | None = None
) -> DicomObjects:
    """Write a result as DICOM.

    Args:
        source: the series that was analysed.
        result: its analysis.
        query: its voxels, for the colour pictures; None leaves them out.
    """
    segmentation = findings_segmentation(source, result)
    return DicomObjects(
        segmentation,
        heatmap_parametric_map(source, result),
        findings_report(source, result, segmentation),
        tuple(heat_captures(source, query, result)) if query is not None else (),
    )


def write_dicom(objects: DicomObjects, folder: Path) -> None:
    """Write objects as files into a folder of their own, which appears whole or not at all.

    Args:
        objects: from `dicom_objects`.
        folder: replaced where it holds the objects of an earlier analysis.

    Raises:
        ConfigurationError: the folder holds something else, which is left alone.
    """
    if folder.exists() and not (folder / "segmentation.dcm").is_file():
        raise ConfigurationError(
            f"{folder}: holds no DICOM results and would be replaced; move it, or give another "
            "--out folder."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        for name, written in _named(objects):
            path = partial / name
            path.parent.mkdir(exist_ok=True)
            dcmwrite(path, written, write_like_original=False)
        partial.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _named(objects: DicomObjects) -> Sequence[tuple[str, Dataset]]:
    pictures = [
        (f"pictures/{number:04d}.dcm", capture)
        for number, capture in enumerate(objects.captures, start=1)
    ]
    return [
        ("segmentation.dcm", objects.segmentation),
        ("parametric_map.dcm", objects.parametric_map),
        ("report.dcm", objects.report),
        *pictures,
    ]
