import json
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.result import AnalysisWarning, AnomalyResult, WarningCode
from d24fad_core.export import CHANGE_REPORT_SCHEMA, REPORT_SCHEMA, report_document, write_report
from d24fad_core.places.place import RegionShare, Side, place_of
from d24fad_core.volumes.volume import Plane
from tests.export.analysed_study import analysed, reduced_study

jsonschema = pytest.importorskip("jsonschema")


def written_report(result: AnomalyResult, folder: Path) -> dict[str, Any]:
    write_report(result, folder / "report.json")
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(REPORT_SCHEMA)


@pytest.mark.parametrize("lesions", [(), (((16, 9, 6), 8.0), ((5, 20, 3), 6.0))])
def test_a_written_report_follows_the_schema(tmp_path: Path, lesions: Any) -> None:
    _, result = analysed(lesions=lesions)
    document = written_report(result, tmp_path)
    jsonschema.validate(document, REPORT_SCHEMA)
    assert document["notice"] == RESEARCH_USE_ONLY
    assert len(document["findings"]) == len(lesions)


def test_the_report_holds_everything_of_the_result_but_the_arrays(
    tmp_path: Path,
) -> None:
    affine = np.array([[-0.7, 0, 0, 80], [0, 0, 1.5, -20], [0, 0.9, 0, 5], [0, 0, 0, 1]])
    _, result = analysed(affine=affine, plane=Plane.AXIAL)
    document = written_report(result, tmp_path)

    elsewhere = {"heatmap", "mask", "affine", "reduction"}
    assert {field.name for field in fields(AnomalyResult)} - elsewhere <= set(document)
    assert document["geometry"] == {
        "coordinate_system": "RAS",
        "shape": [24, 28, 12],
        "spacing_mm": pytest.approx([0.7, 0.9, 1.5]),
        "affine": affine.tolist(),
        "orientation": "LSA",
    }
    assert document["planes"] == ["axial"] and document["slice_axis"] == 1
    finding = result.findings[0]
    assert document["findings"][0]["peak_ras_mm"] == list(finding.peak_ras_mm)
    assert document["findings"][0]["bounding_box"] == [list(end) for end in finding.bounding_box]
    assert document["slice_scores"] == list(result.slice_scores)
    assert document["provenance"]["supports"][1] == {
        "name": "normal-1",
        "content_hash": f"{1:064x}",
        "share": 0.25,
    }


def test_warnings_are_reported(tmp_path: Path) -> None:
    warnings = tuple(AnalysisWarning(code, f"It is {code.value}.", "Look.") for code in WarningCode)
    document = written_report(replace(analysed()[1], warnings=warnings), tmp_path)
    jsonschema.validate(document, REPORT_SCHEMA)
    assert document["warnings"] == [
        {"code": code.value, "sentence": f"It is {code.value}.", "remedy": "Look."}
        for code in WarningCode
    ]
    text = (Path(__file__).parents[2] / "docs" / "report-schema.md").read_text(encoding="utf-8")
    assert all(f"`{code.value}`" in text for code in WarningCode)


def test_places_are_reported(tmp_path: Path) -> None:
    _, result = analysed(lesions=(((16, 9, 6), 8.0), ((6, 20, 3), 5.0)))
    first, second = result.findings
    shares = (RegionShare("cerebellum", Side.RIGHT, 0.5), RegionShare("brain stem", None, 0.25))
    named = replace(first, place=place_of(shares, certain=True, atlas="atlas"))
    document = written_report(replace(result, findings=(named, second)), tmp_path)
    jsonschema.validate(document, REPORT_SCHEMA)
    assert document["findings"][0]["place"] == {
        "side": "right",
        "region": "cerebellum",
        "shares": [
            {"region": "cerebellum", "side": "right", "share": 0.5},
            {"region": "brain stem", "side": None, "share": 0.25},
        ],
        "certain": True,
        "atlas": "atlas",
    }
    assert document["findings"][1]["place"] is None


def test_the_schema_refuses_a_field_too_many_and_a_field_too_few() -> None:
    document = report_document(analysed()[1])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "patient": "Doe"}, REPORT_SCHEMA)
    del document["calibration"]["p_value"]
    with pytest.raises(jsonschema.ValidationError, match="p_value"):
        jsonschema.validate(document, REPORT_SCHEMA)


def test_the_time_is_given_in_utc() -> None:
    moment = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    document = report_document(analysed()[1], created=moment)
    assert document["created"] == "2026-02-28T22:30:00Z"


def test_scores_from_numpy_become_plain_numbers(
    tmp_path: Path,
) -> None:
    _, result = analysed()
    scores = tuple(np.float32(score) for score in result.slice_scores)
    document = written_report(replace(result, slice_scores=scores), tmp_path)
    jsonschema.validate(document, REPORT_SCHEMA)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), np.float32("nan")])
def test_a_score_that_is_no_number_is_never_written(tmp_path: Path, score: float) -> None:
    (tmp_path / "report.json").write_text("earlier")
    _, result = analysed()
    with pytest.raises(ValueError, match=r"slice_scores\[3\]"):
        scores = result.slice_scores
        written_report(replace(result, slice_scores=(*scores[:3], score, *scores[4:])), tmp_path)
    assert (tmp_path / "report.json").read_text() == "earlier"


def test_the_documentation_names_every_field() -> None:
    text = (Path(__file__).parents[2] / "docs" / "report-schema.md").read_text(encoding="utf-8")

    def names(schema: dict[str, Any]) -> set[str]:
        property_names = set(schema.get("properties", {}))
        for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
            property_names |= names(part)
        return property_names | (names(schema["items"]) if "items" in schema else set())

    every = names(REPORT_SCHEMA) | names(CHANGE_REPORT_SCHEMA)
    assert [name for name in sorted(every) if f"`{name}`" not in text] == []


def test_the_report_of_a_reduced_scan_is_in_the_voxels_of_its_source(tmp_path: Path) -> None:
    _, result = reduced_study((4, 3, 2), (1, 2, 0))
    document = written_report(result, tmp_path)
    jsonschema.validate(document, REPORT_SCHEMA)
    assert document["geometry"]["shape"] == [63, 52, 20]
    assert document["geometry"]["spacing_mm"] == pytest.approx([0.5, 0.5, 0.7])
    assert len(document["slice_scores"]) == 20
    (finding,) = document["findings"]
    assert finding["peak_voxel"] == [9 * 4 + 1, 9 * 3 + 1, 3 * 2]
    assert finding["peak_ras_mm"] == pytest.approx([37 * 0.5, 28 * 0.5, 6 * 0.7])
