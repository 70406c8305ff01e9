"""The table of a whole derivative dataset, with its data dictionary."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.bids.derivatives import DESCRIPTION, report_of
from d24fad_core.bids.scan_name import ScanName
from d24fad_core.errors import InputError
from d24fad_core.files import write_text

_MISSING = "n/a"
COLUMNS: Mapping[str, str] = {
    "participant_id": "Label of the participant",
    "session_id": "Label of the session; n/a where the dataset has none",
    "filename": "The scan, within the raw dataset",
    "case_score": "One score for the scan, z: standard deviations of the normals' own maps",
    "p_value": "Share of normals, the scan counted in, that score at least as high",
    "normal_patients": "Number of normals behind scale and p-value",
    "threshold": "z above which a voxel belongs to a finding",
    "findings": "Number of findings",
    "volume_ml": "Volume of all findings together, ml",
    "peak_z": "Highest score of the first finding, z; n/a where there is none",
    "peak_place": "Where the first finding is; n/a where that is not known",
    "warnings": "Codes of the reasons to doubt the result, with commas; n/a where there is none",
    "notice": "What the table may be used for",
}
"""The columns of the table, and what they mean."""


def write_group(out: Path, entries: Sequence[str]) -> Path:
    """Write the table of all scans that have a report; files that would be the same stay.

    Args:
        out: the derivative dataset.
        entries: paths of scans within the raw dataset, in the order of the rows.

    Returns:
        The table.

    Raises:
        InputError: no scan has a report, or one cannot be read.
    """
    reports = [(entry, report_of(out, entry)) for entry in entries]
    rows = [_row(entry, report) for entry, report in reports if report is not None]
    if not rows:
        raise InputError(f"{out}: holds no results", "run the level participant first.")
    stream = io.StringIO()
    table = csv.DictWriter(stream, COLUMNS, delimiter="\t", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    path = out / f"group_desc-{DESCRIPTION}_scans.tsv"
    dictionary = {name: {"Description": text} for name, text in COLUMNS.items()}
    _write_changed(path, stream.getvalue())
    _write_changed(path.with_suffix(".json"), json.dumps(dictionary, indent=2) + "\n")
    return path


def _row(entry: str, report: Mapping[str, Any]) -> dict[str, object]:
    name = ScanName.parse(Path(entry).name)
    entities = {} if name is None else name.entities
    calibration, findings = report["calibration"], report["findings"]
    first = findings[0] if findings else None
    place = None if first is None else first["place"]
    return {
        "participant_id": f"sub-{entities['sub']}",
        "session_id": f"ses-{entities['ses']}" if "ses" in entities else _MISSING,
        "filename": entry,
        "case_score": report["case_score"],
        "p_value": calibration["p_value"],
        "normal_patients": calibration["normal_patients"],
        "threshold": calibration["threshold"],
        "findings": len(findings),
        "volume_ml": sum(finding["volume_ml"] for finding in findings),
        "peak_z": _MISSING if first is None else first["peak_score"],
        "peak_place": _MISSING if place is None else _place_text(place),
        "warnings": ",".join(warning["code"] for warning in report["warnings"]) or _MISSING,
        "notice": RESEARCH_USE_ONLY,
    }


def _place_text(place: Mapping[str, Any]) -> str:
    text = " ".join(word for word in (place["side"], place["region"]) if word)
    return text if place["certain"] else f"uncertain: {text}"


def _write_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
