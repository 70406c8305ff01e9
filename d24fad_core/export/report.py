"""The result of an analysis as a JSON document: everything but the arrays."""

import json
from dataclasses import asdict
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.detection.source_grid import on_source_grid
from d24fad_core.export.report_schema import REPORT_SCHEMA, SCHEMA_VERSION
from d24fad_core.files import write_text

__all__ = ["REPORT_SCHEMA", "SCHEMA_VERSION", "report_document", "report_text", "write_report"]


def report_document(result: AnomalyResult, created: datetime | None = None) -> dict[str, Any]:
    """Put a result into the shape that `REPORT_SCHEMA` describes.

    Args:
        result: the analysis to report.
        created: when the report was made, with time zone; None for now.

    Returns:
        A document of plain JSON values, in the order a reader wants them.
    """
    source = on_source_grid(result)
    moment = (created or datetime.now(timezone.utc)).astimezone(timezone.utc)
    document = {
        "schema_version": SCHEMA_VERSION,
        "notice": RESEARCH_USE_ONLY,
        "warnings": [asdict(warning) for warning in result.warnings],
        "created": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "case_score": result.case_score,
        "planes": [plane.value for plane in result.planes],
        "slice_axis": result.slice_axis,
        "slice_scores": source.slice_scores,
        "findings": [asdict(finding) for finding in source.findings],
        "calibration": asdict(result.calibration),
        "geometry": {
            "coordinate_system": "RAS",
            "shape": source.shape,
            "spacing_mm": np.linalg.norm(source.affine[:3, :3], axis=0).tolist(),
            "affine": source.affine.tolist(),
            "orientation": "".join(nib.aff2axcodes(source.affine)),
        },
        "provenance": asdict(result.provenance),
    }
    return {key: _plain(value, key) for key, value in document.items()}


def report_text(document: dict[str, Any]) -> str:
    """Write a report document as JSON text, ending in a newline."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_report(result: AnomalyResult, path: Path) -> None:
    """Write report.json, whole or not at all.

    Raises:
        ValueError: the result holds a number that is not finite; JSON has none.
    """
    write_text(path, report_text(report_document(result)))


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
