"""Results on disk: what is kept of them, and what older ones lack."""

import json
from dataclasses import asdict, replace
from pathlib import Path

from d24fad_core.detection.detector import RESULT_SCHEMA
from d24fad_core.detection.result import AnalysisWarning, WarningCode
from monailabel_app.analysis.results import ResultRecord, ResultStore, load_result
from monailabel_app.api.result_routes import record_document
from tests.export.analysed_study import analysed

WARNINGS = (AnalysisWarning(WarningCode.OTHER_RESOLUTION, "Thick slices.", "Take thin ones."),)
RECORD = ResultRecord(
    id="a1",
    image="head",
    image_sha256="",
    support_set="default",
    support=("b", "c"),
    support_hash="",
    checkpoint_hash="",
    options={},
    case_score=1.0,
    peak_score=8.0,
    threshold=3.0,
    finding_count=1,
    created="2026-01-01T00:00:00Z",
    version="0.1.0",
    schema=RESULT_SCHEMA,
    warnings=WARNINGS,
)


def test_warnings_and_schema_are_kept_and_answered(tmp_path: Path) -> None:
    query, result = analysed()
    ResultStore(tmp_path).put(RECORD, query, replace(result, warnings=WARNINGS))
    stored = ResultStore(tmp_path).get("a1")
    assert stored.record == RECORD
    assert load_result(stored).warnings == WARNINGS
    answer = json.loads(json.dumps(record_document(stored.record)))
    assert answer["schema"] == RESULT_SCHEMA
    assert (
        answer["warnings"]
        == stored.report["warnings"]
        == [{"code": "other_resolution", "sentence": "Thick slices.", "remedy": "Take thin ones."}]
    )


def test_results_from_before_there_were_warnings_are_read(tmp_path: Path) -> None:
    query, result = analysed()
    stored = ResultStore(tmp_path).put(RECORD, query, result)
    record = asdict(RECORD)
    del record["schema"], record["warnings"]
    report = {key: value for key, value in stored.report.items() if key != "warnings"}
    (tmp_path / "a1" / "record.json").write_text(json.dumps(record))
    (tmp_path / "a1" / "report.json").write_text(json.dumps(report))
    old = ResultStore(tmp_path).get("a1")
    assert (old.record.schema, old.record.warnings) == (0, ())
    assert load_result(old).warnings == ()
