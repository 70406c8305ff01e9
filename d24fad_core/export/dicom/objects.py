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
from d24fad_core.export.dicom.capture import heat_captures
from d24fad_core.export.dicom.changes import ChangeObjects
from d24fad_core.export.dicom.findings_report import findings_report
from d24fad_core.export.dicom.parametric_map import heatmap_parametric_map
from d24fad_core.export.dicom.segmentation import findings_segmentation
from d24fad_core.export.dicom.source import DicomSource
from d24fad_core.volumes.volume import Volume

_SEGMENTATIONS = ("segmentation.dcm", "change_segmentation.dcm")
"""Of the findings and of the changes; one of them lies in every folder of results."""


@dataclass(frozen=True, eq=False)
class DicomObjects:
    """A result as DICOM.

    Attributes:
        segmentation: the findings, one segment each.
        parametric_map: the heatmap.
        report: scores and volumes, TID 1500, which refers to the segmentation.
        captures: a colour picture a slice; none where they were not wanted.
        change: the comparison with a prior; None where there was none.
    """

    segmentation: Dataset
    parametric_map: Dataset
    report: Dataset
    captures: tuple[Dataset, ...] = ()
    change: ChangeObjects | None = None

    def __iter__(self) -> Iterator[Dataset]:
        own = (self.segmentation, self.parametric_map, self.report, *self.captures)
        return iter((*own, *(self.change or ())))


def dicom_objects(
    source: DicomSource,
    result: AnomalyResult,
    query: Volume | None = None,
    change: ChangeObjects | None = None,
) -> DicomObjects:
    """Write a result as DICOM.

    Args:
        source: the series that was analysed.
        result: its analysis.
        query: its voxels, for the colour pictures; None leaves them out.
        change: its comparison with a prior.
    """
    segmentation = findings_segmentation(source, result)
    return DicomObjects(
        segmentation,
        heatmap_parametric_map(source, result),
        findings_report(source, result, segmentation),
        tuple(heat_captures(source, query, result)) if query is not None else (),
        change,
    )


def write_dicom(objects: DicomObjects | ChangeObjects, folder: Path) -> None:
    """Write objects as files into a folder of their own, which appears whole or not at all.

    Args:
        objects: from `dicom_objects`, or those of a comparison with a prior alone.
        folder: replaced where it holds the objects of an earlier analysis.

    Raises:
        ConfigurationError: the folder holds something else, which is left alone.
    """
    if folder.exists() and not any((folder / name).is_file() for name in _SEGMENTATIONS):
        raise ConfigurationError(
            f"{folder}: holds no DICOM results and would be replaced",
            "move it, or give another --out folder.",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        for name, dataset in _named(objects):
            path = partial / name
            path.parent.mkdir(exist_ok=True)
            dcmwrite(path, dataset, write_like_original=False)
        partial.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _named(objects: DicomObjects | ChangeObjects) -> Sequence[tuple[str, Dataset]]:
    if isinstance(objects, ChangeObjects):
        return [
            (_SEGMENTATIONS[1], objects.segmentation),
            ("change_report.dcm", objects.report),
        ]
    pictures = [
        (f"pictures/{number:04d}.dcm", capture)
        for number, capture in enumerate(objects.captures, start=1)
    ]
    return [
        (_SEGMENTATIONS[0], objects.segmentation),
        ("parametric_map.dcm", objects.parametric_map),
        ("report.dcm", objects.report),
        *pictures,
        *(() if objects.change is None else _named(objects.change)),
    ]
