"""The result of an analysis as a JSON document: everything but the arrays."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from d24fad_core import RESEARCH_USE_ONLY, __version__
from d24fad_core.change.result import ChangeResult
from d24fad_core.detection.result import AnalysisWarning, AnomalyResult
from d24fad_core.detection.source_grid import on_source_grid
from d24fad_core.export.report_schema import CHANGE_REPORT_SCHEMA, REPORT_SCHEMA, SCHEMA_VERSION
from d24fad_core.files import write_text
from d24fad_core.volumes.volume import Volume

__all__ = [
    "CHANGE_REPORT_SCHEMA",
    "REPORT_SCHEMA",
    "SCHEMA_VERSION",
    "change_report_document",
    "report_document",
    "report_text",
    "write_report",
]


def report_document(
    result: AnomalyResult, created: datetime | None = None, change: ChangeResult | None = None
) -> dict[str, Any]:
    """Put a result into the shape that `REPORT_SCHEMA` describes.

    Args:
        result: the analysis to report.
        created: when the report was made, with time zone; None for now.
        change: the comparison with a prior; None where there was none.

    Returns:
        A document of plain JSON values, in the order a reader wants them.
    """
    source = on_source_grid(result)
    warnings = (*result.warnings, *(() if change is None else change.warnings))
    document = {
        **_head(warnings, created),
        "case_score": result.case_score,
        "planes": [plane.value for plane in result.planes],
        "slice_axis": result.slice_axis,
        "slice_scores": source.slice_scores,
        "findings": [asdict(finding) for finding in source.findings],
        "calibration": asdict(result.calibration),
        "change": None if change is None else _change_entry(change),
        "contrasts": [asdict(use) for use in result.contrasts],
        "geometry": _geometry(source.shape, source.affine),
        "provenance": asdict(result.provenance),
    }
    return {key: _plain(value, key) for key, value in document.items()}


def change_report_document(
    case: Volume, change: ChangeResult, created: datetime | None = None
) -> dict[str, Any]:
    """Put a comparison with a prior alone into the shape that `CHANGE_REPORT_SCHEMA` describes.

    Args:
        case: the study that was compared.
        change: the comparison to report.
        created: when the report was made, with time zone; None for now.
    """
    document = {
        **_head(change.warnings, created),
        "change": _change_entry(change),
        "geometry": _geometry(case.shape, case.affine),
        "provenance": {
            "query_name": case.name,
            "query_hash": case.source_hash,
            "parameters": {
                "threshold": change.threshold,
                "modality": case.modality.value,
                "modality_source": case.modality_source,
                "mask": case.mask.kind.value if case.mask else "none",
            },
            "versions": {
                "d24fad": __version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        },
    }
    return {key: _plain(value, key) for key, value in document.items()}


def _head(warnings: Sequence[AnalysisWarning], created: datetime | None) -> dict[str, Any]:
    moment = (created or datetime.now(timezone.utc)).astimezone(timezone.utc)
    return {
        "schema_version": SCHEMA_VERSION,
        "notice": RESEARCH_USE_ONLY,
        "warnings": [asdict(warning) for warning in warnings],
        "created": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _geometry(shape: tuple[int, ...], affine: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "coordinate_system": "RAS",
        "shape": shape,
        "spacing_mm": np.linalg.norm(affine[:3, :3], axis=0).tolist(),
        "affine": affine.tolist(),
        "orientation": "".join(nib.aff2axcodes(affine)),
    }


def _change_entry(change: ChangeResult) -> dict[str, Any]:
    return {
        "threshold": change.threshold,
        "prior": asdict(change.use),
        "changes": [asdict(each) for each in change.changes],
    }


def report_text(document: dict[str, Any] | list[dict[str, Any]]) -> str:
    """Write a report document, or those of several cases, as JSON text, ending in a newline."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_report(result: AnomalyResult, path: Path, change: ChangeResult | None = None) -> None:
    """Write report.json, whole or not at all.

    Raises:
        ValueError: the result holds a number that is not finite; JSON has none.
    """
    write_text(path, report_text(report_document(result, change=change)))


def _plain(value: Any, place: str) -> Any:
    """Turn tuples and numpy scalars into JSON values; refuse what is not finite, naming where."""
    if isinstance(value, dict):
        return {key: _plain(part, f"{place}.{key}") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, f"{place}[{index}]") for index, part in enumerate(value)]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"The result holds {value} at {place}; every score must be finite.")
    return value
