"""Analyses kept on disk, so that a case is opened again without running it again."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from d24fad_core.detection.result import (
    AnalysisWarning,
    AnomalyResult,
    CalibrationSummary,
    Finding,
    Provenance,
    SupportUse,
    WarningCode,
)
from d24fad_core.export.nifti import write_mask
from d24fad_core.export.overlay import write_overlay
from d24fad_core.export.report import write_report
from d24fad_core.files import write_text
from d24fad_core.volumes.volume import Plane, Volume
from monailabel_app.analysis.encodings import Encoding, read_mask, read_scores, write_heatmap
from monailabel_app.failures import RequestError

_RECORD = "record.json"
_HEATMAP = "heatmap.nii.gz"
_PREVIEW = "heatmap-8bit.nii.gz"
_MASK = "mask.nii.gz"
_REPORT = "report.json"
_OVERLAY = "overlay.png"
_ALIGNMENT = "alignment.json"


@dataclass(frozen=True)
class ResultRecord:
    """What was analysed with what.

    Attributes:
        id: hash over the inputs; equal inputs have equal ids.
        image: image id of the query.
        image_sha256: SHA-256 of its file.
        support_set: name of the support set, None where the studies were given one by one.
        support: image ids of the support studies.
        support_hash: hash over their content.
        checkpoint_hash: hash of the weights.
        options: the parameters, defaults written out.
        case_score: one score for the whole study, z units.
        peak_score: highest score of a voxel, z units.
        threshold: score above which a voxel belongs to the mask, z units.
        finding_count: number of findings.
        created: when, ISO 8601, UTC.
        version: of the library that made it.
        schema: `RESULT_SCHEMA` of that; a result of another one is not comparable.
        warnings: reasons to doubt it.
    """

    id: str
    image: str
    image_sha256: str
    support_set: str | None
    support: tuple[str, ...]
    support_hash: str
    checkpoint_hash: str
    options: dict[str, Any]
    case_score: float
    peak_score: float
    threshold: float
    finding_count: int
    created: str
    version: str = ""
    schema: int = 0
    warnings: tuple[AnalysisWarning, ...] = ()


@dataclass(frozen=True)
class StoredResult:
    """One analysis on disk.

    Attributes:
        record: what was analysed with what.
        heatmap: NIfTI on the image's grid, in steps of 0.01 z.
        preview: the same with 8 bits, small, for looking.
        mask: uint8 NIfTI on the image's grid.
        overlay: PNG.
        alignment: JSON; there once somebody asked for matching places.
        report: the report document.
    """

    record: ResultRecord
    heatmap: Path
    preview: Path
    mask: Path
    overlay: Path
    alignment: Path
    report: dict[str, Any]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the report."""
        return tuple(_read_finding(document) for document in self.report["findings"])


def load_result(stored: StoredResult) -> AnomalyResult:
    """Put a stored result together again; scores are rounded to 0.01 z."""
    heatmap, affine = read_scores(stored.heatmap)
    mask, _ = read_mask(stored.mask)
    report = stored.report
    calibration, provenance = dict(report["calibration"]), dict(report["provenance"])
    calibration["normal_case_scores"] = tuple(calibration["normal_case_scores"])
    provenance["supports"] = tuple(SupportUse(**use) for use in provenance["supports"])
    return AnomalyResult(
        heatmap=heatmap,
        mask=mask,
        affine=affine,
        planes=tuple(Plane(plane) for plane in report["planes"]),
        slice_axis=report["slice_axis"],
        slice_scores=tuple(report["slice_scores"]),
        case_score=report["case_score"],
        findings=stored.findings,
        calibration=CalibrationSummary(**calibration),
        provenance=Provenance(**provenance),
        warnings=_read_warnings(report),
    )


class ResultStore:
    """One folder for each result; a folder appears whole or not at all.

    Args:
        folder: where they lie; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, identifier: str) -> StoredResult | None:
        """The result with this id, or None."""
        # Ids come from clients too: anything but a plain name is unknown.
        if not identifier.isalnum() or not (self._folder / identifier / _RECORD).is_file():
            return None
        return self._load(self._folder / identifier)

    def get(self, identifier: str) -> StoredResult:
        """The result with this id.

        Raises:
            RequestError: there is none.
        """
        found = self.find(identifier)
        if found is None:
            raise RequestError(
                "unknown_result",
                f"There is no result '{identifier[:100]}'.",
                "List the results of an image with GET /d24fad/v1/results?image=ID.",
            )
        return found

    def put(self, record: ResultRecord, query: Volume, result: AnomalyResult) -> StoredResult:
        """Store a result, whole or not at all."""
        target = self._folder / record.id
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self._folder))
        try:
            heatmap = (result.heatmap, result.affine)
            write_heatmap(*heatmap, partial / _HEATMAP, Encoding.INT16)
            write_heatmap(*heatmap, partial / _PREVIEW, Encoding.UINT8)
            write_mask(result, partial / _MASK)
            write_report(result, partial / _REPORT)
            write_overlay(query, result, partial / _OVERLAY)
            write_text(partial / _RECORD, json.dumps(asdict(record), indent=1))
            partial.chmod(0o755)
            if not target.exists():
                partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return self._load(target)

    def remove(self, identifier: str) -> None:
        """Remove a result."""
        stored = self.get(identifier)
        shutil.rmtree(stored.mask.parent)

    def records(self, image: str | None = None) -> list[ResultRecord]:
        """What is stored, newest first; of one image where it is named."""
        found = [record for record in self._records() if image in (None, record.image)]
        return sorted(found, key=lambda record: record.created, reverse=True)

    def _records(self) -> Iterator[ResultRecord]:
        for path in self._folder.glob(f"[!.]*/{_RECORD}"):
            try:
                record = _read_record(path)
            except FileNotFoundError:
                continue  # removed by another request while we looked
            yield record

    def _load(self, folder: Path) -> StoredResult:
        return StoredResult(
            record=_read_record(folder / _RECORD),
            heatmap=folder / _HEATMAP,
            preview=folder / _PREVIEW,
            mask=folder / _MASK,
            overlay=folder / _OVERLAY,
            alignment=folder / _ALIGNMENT,
            report=json.loads((folder / _REPORT).read_text(encoding="utf-8")),
        )


def _read_finding(document: dict[str, Any]) -> Finding:
    first, last = document["bounding_box"]
    tuples = {
        name: tuple(document[name])
        for name in ("centroid_ras_mm", "peak_ras_mm", "peak_voxel", "slice_range")
    }
    # Reports of earlier versions know no distances.
    tuples["normal_distances"] = tuple(document.get("normal_distances", ()))
    return Finding(**{**document, **tuples, "bounding_box": (tuple(first), tuple(last))})


def _read_record(path: Path) -> ResultRecord:
    document = json.loads(path.read_text(encoding="utf-8"))
    tuples = {"support": tuple(document["support"]), "warnings": _read_warnings(document)}
    return ResultRecord(**{**document, **tuples})


def _read_warnings(document: dict[str, Any]) -> tuple[AnalysisWarning, ...]:
    """Of a report or a record; those of older versions have none."""
    return tuple(
        AnalysisWarning(WarningCode(each["code"]), each["sentence"], each["remedy"])
        for each in document.get("warnings", ())
    )
