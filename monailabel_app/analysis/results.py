"""Analyses kept on disk, so that a case is opened again without running it again."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from d24fad_core.cache.json_file import load_values, save_values
from d24fad_core.change.result import ChangeResult
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.result import (
    AnalysisWarning,
    AnomalyResult,
    CalibrationSummary,
    Finding,
    Provenance,
    SupportUse,
)
from d24fad_core.export.nifti import write_mask
from d24fad_core.export.report import write_report
from d24fad_core.files import hash_file, sync_folder, write_text
from d24fad_core.side_by_side import side_by_side
from d24fad_core.volumes.volume import Plane, Volume
from monailabel_app.analysis.encodings import Encoding, read_mask, read_scores, write_heatmap
from monailabel_app.analysis.stored_change import StoredChange, write_change
from monailabel_app.analysis.stored_findings import read_finding, read_warnings
from monailabel_app.failures import RequestError
from monailabel_app.store.damaged_files import move_aside
from monailabel_app.store.database import Database
from monailabel_app.store.records import Records
from monailabel_app.store.schema import RESULTS

_RECORD = "record.json"
_HEATMAP = "heatmap.nii.gz"
_PREVIEW = "heatmap-8bit.nii.gz"
_MASK = "mask.nii.gz"
_REPORT = "report.json"
_OVERLAY = "overlay.png"
_ALIGNMENT = "alignment.json"
_CHECKSUMS = "checksums.json"
_CHECKED = (_HEATMAP, _PREVIEW, _MASK, _REPORT)


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
        comparison: how it was compared; empty in records of before this was kept, where the
            options say it.
        comparison_reason: why, where nobody named it.
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
    comparison: str = ""
    comparison_reason: str | None = None

    @property
    def compared_by(self) -> ComparisonKind:
        """How it was compared, in former records too; those without a choice took the window."""
        former = self.options.get("comparison", ComparisonKind.WINDOW.value)
        return ComparisonKind(self.comparison or former)


@dataclass(frozen=True)
class StoredResult:
    """One analysis on disk.

    Attributes:
        record: what was analysed with what.
        heatmap: NIfTI on the image's grid, in steps of 0.01 z.
        preview: the same with 8 bits, small, for looking.
        mask: uint8 NIfTI on the image's grid.
        overlay: PNG; there once somebody asked for the picture.
        alignment: JSON; there once somebody asked for matching places.
        report: the report document.
        change: files of the comparison with a prior; None where there was none.
    """

    record: ResultRecord
    heatmap: Path
    preview: Path
    mask: Path
    overlay: Path
    alignment: Path
    report: dict[str, Any]
    change: StoredChange | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the report."""
        return tuple(read_finding(document) for document in self.report["findings"])


def load_result(stored_result: StoredResult) -> AnomalyResult:
    """Put a stored result together again; scores are rounded to 0.01 z."""
    heatmap, affine = read_scores(stored_result.heatmap)
    mask, _ = read_mask(stored_result.mask)
    report = stored_result.report
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
        findings=stored_result.findings,
        calibration=CalibrationSummary(**calibration),
        provenance=Provenance(**provenance),
        warnings=read_warnings(report),
    )


class ResultStore:
    """One folder for each result, which appears whole or not at all, and an index of all.

    Args:
        folder: where they lie; made when missing.
        database: keeps the index, which is brought up to date with what lies there.
    """

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self._database = database
        self._index = Records(database, RESULTS, ResultRecord)
        self._verified: dict[str, list[tuple[int, int]]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._bring_index_up_to_date()

    def find(self, identifier: str) -> StoredResult | None:
        """The result with this id, or None."""
        record = self._index.get(identifier)
        return None if record is None else self._load(record)

    def get(self, identifier: str) -> StoredResult:
        """The result with this id.

        Raises:
            RequestError: there is none.
        """
        result = self.find(identifier)
        if result is None:
            raise RequestError(
                "unknown_result",
                f"There is no result '{identifier[:100]}'.",
                "List the results of an image with GET /d24fad/v1/results?image=ID.",
            )
        return result

    def put(
        self,
        record: ResultRecord,
        query: Volume,
        result: AnomalyResult,
        change: ChangeResult | None = None,
    ) -> StoredResult:
        """Store a result, whole or not at all.

        Args:
            record: what was analysed with what.
            query: the study.
            result: its analysis.
            change: its comparison with a prior.
        """
        target = self._folder / record.id
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self._folder))
        try:
            heatmap = (result.heatmap, result.affine)
            side_by_side(
                lambda: write_heatmap(*heatmap, partial / _HEATMAP, Encoding.INT16),
                lambda: write_heatmap(*heatmap, partial / _PREVIEW, Encoding.UINT8),
            )
            write_mask(result, partial / _MASK)
            write_report(result, partial / _REPORT, change)
            if change is not None:
                write_change(query, change, partial)
            write_text(partial / _RECORD, json.dumps(asdict(record), indent=1))
            save_values(_hashes(partial), partial / _CHECKSUMS)
            partial.chmod(0o755)
            if not target.exists():
                partial.rename(target)
                sync_folder(self._folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._index.add(record.id, record)
        return self.get(record.id)

    def remove(self, identifier: str) -> None:
        """Remove a result."""
        self.get(identifier)
        # Killed in between, a server finds the row without its folder and takes it out.
        hidden = Path(tempfile.mkdtemp(prefix=".partial-", dir=self._folder))
        (self._folder / identifier).rename(hidden / identifier)
        self._index.remove(identifier)
        shutil.rmtree(hidden)

    def records(self, image: str | None = None) -> list[ResultRecord]:
        """What is stored, newest first; of one image where it is named."""
        newest_first = "ORDER BY created DESC, key"
        if image is None:
            return self._index.find(newest_first)
        return self._index.find(f"WHERE image = ? {newest_first}", (image,))

    def _bring_index_up_to_date(self) -> None:
        """Enter folders that are not in the index, and take out what lies there no more."""
        known = set(self._index.keys())
        there = {path.name for path in self._folder.iterdir() if not path.name.startswith(".")}
        with self._database.transaction():
            for name in sorted(there - known):
                try:
                    text = (self._folder / name / _RECORD).read_text(encoding="utf-8")
                    self._index.add(name, self._index.parse(json.loads(text)))
                except (FileNotFoundError, NotADirectoryError, ValueError) as error:
                    self._move_aside(name, f"no {_RECORD} can be read ({type(error).__name__})")
            for name in sorted(known - there):
                self._index.remove(name)

    def _load(self, record: ResultRecord) -> StoredResult | None:
        """The result of a record; None, and out of the way, where its files are damaged."""
        folder = self._folder / record.id
        try:
            self._verify(folder)
            report = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
            if not isinstance(report, dict):
                raise ValueError("a report is an object")
            stored_result = StoredResult(
                record=record,
                heatmap=folder / _HEATMAP,
                preview=folder / _PREVIEW,
                mask=folder / _MASK,
                overlay=folder / _OVERLAY,
                alignment=folder / _ALIGNMENT,
                report=report,
                change=StoredChange.in_folder(folder) if report.get("change") else None,
            )
            if (
                len(stored_result.findings) != record.finding_count
                or not stored_result.mask.is_file()
            ):
                raise ValueError("report, record and mask do not belong together")
            if stored_result.change is not None and not stored_result.change.is_whole:
                raise FileNotFoundError("files of the comparison with the prior are missing")
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            if folder.is_dir():
                self._move_aside(record.id, f"its files cannot be read ({type(error).__name__})")
            self._index.remove(record.id)
            return None
        return stored_result

    def _verify(self, folder: Path) -> None:
        """Compare the files with their hashes, once until they change.

        Raises:
            FileNotFoundError: one is absent.
            ValueError: one was changed on the disk.
        """
        if not (folder / _CHECKSUMS).is_file():
            return  # of a result from before there were any
        statuses = [(folder / name).stat() for name in _checked(folder)]
        present = [(status.st_size, status.st_mtime_ns) for status in statuses]
        if self._verified.get(folder.name) == present:
            return
        # Those of before name the picture as well, which was then drawn with the result.
        checksums = load_values(folder / _CHECKSUMS)
        if any(checksums.get(name) != value for name, value in _hashes(folder).items()):
            raise ValueError("a file was changed on the disk")
        self._verified[folder.name] = present

    def _move_aside(self, name: str, reason: str) -> None:
        move_aside(self._database, "result", self._folder / name, reason)


def _checked(folder: Path) -> tuple[str, ...]:
    """Names of the files whose hashes are kept."""
    of_change = StoredChange.in_folder(folder).files
    return (*_CHECKED, *(path.name for path in of_change if path.is_file()))


def _hashes(folder: Path) -> dict[str, str]:
    return {name: hash_file(folder / name) for name in _checked(folder)}
