"""JSON Schema (draft 7) of report.json; docs/report-schema.md tells it in words."""

from typing import Any

from d24fad_core.change.result import ChangeKind
from d24fad_core.detection.result import WarningCode

SCHEMA_VERSION = "1.4"
"""Grows in its second part when fields are added, in its first when fields change or go."""

_Schema = dict[str, Any]

_NUMBER: _Schema = {"type": "number"}
_COUNT: _Schema = {"type": "integer", "minimum": 0}
_TEXT: _Schema = {"type": "string", "minLength": 1}
_SHA256: _Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _list(items: _Schema, length: int | None = None) -> _Schema:
    schema: _Schema = {"type": "array", "items": items}
    return schema if length is None else schema | {"minItems": length, "maxItems": length}


def _record(**properties: _Schema) -> _Schema:
    """An object that holds exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_GEOMETRY = _record(
    coordinate_system={"const": "RAS"},
    shape=_list({"type": "integer", "minimum": 1}, 3),
    spacing_mm=_list({"type": "number", "exclusiveMinimum": 0}, 3),
    affine=_list(_list(_NUMBER, 4), 4),
    orientation={"type": "string", "pattern": "^[RLAPSI]{3}$"},
)

_REGION_SHARE = _record(
    region=_TEXT,
    side={"enum": ["left", "right", None]},
    share={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
)

_PLACE = _record(
    side={"enum": ["left", "right", "both", None]},
    region=_TEXT,
    shares=_list(_REGION_SHARE) | {"minItems": 1},
    certain={"type": "boolean"},
    atlas=_TEXT,
)

_FINDING = _record(
    rank={"type": "integer", "minimum": 1},
    volume_ml={"type": "number", "exclusiveMinimum": 0},
    peak_score=_NUMBER,
    mean_score=_NUMBER,
    centroid_ras_mm=_list(_NUMBER, 3),
    peak_ras_mm=_list(_NUMBER, 3),
    peak_voxel=_list(_COUNT, 3),
    slice_range=_list(_COUNT, 2),
    bounding_box=_list(_list(_COUNT, 3), 2),
    p_value={"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1},
    normal_distances=_list({"type": "number", "minimum": 0}),
    nearest_normal={"type": ["string", "null"]},
    matched_ras_mm={"anyOf": [{"type": "null"}, _list(_NUMBER, 3)]},
    place={"anyOf": [{"type": "null"}, _PLACE]},
    contrasts=_list(_record(contrast=_TEXT, peak_score=_NUMBER, mean_score=_NUMBER)),
)

_CALIBRATION = _record(
    unit=_TEXT,
    threshold=_NUMBER,
    normal_patients=_COUNT,
    normal_case_scores=_list(_NUMBER),
    p_value={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    statement=_TEXT,
)

_PROVENANCE = _record(
    query_name=_TEXT,
    query_hash=_SHA256,
    checkpoint_name=_TEXT,
    checkpoint_hash=_SHA256,
    supports=_list(_record(name=_TEXT, content_hash=_SHA256, share=_NUMBER)),
    parameters={
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    },
    versions={"type": "object", "additionalProperties": {"type": "string"}},
)

_WARNING = _record(
    code={"enum": [code.value for code in WarningCode]},
    sentence=_TEXT,
    remedy=_TEXT,
)

_CHANGE = _record(
    threshold={"type": "number", "exclusiveMinimum": 0},
    prior=_record(
        name=_TEXT,
        content_hash=_SHA256,
        likeness=_NUMBER,
        to_prior=_list(_list(_NUMBER, 4), 4),
    ),
    changes=_list(
        _record(
            rank={"type": "integer", "minimum": 1},
            kind={"enum": [kind.value for kind in ChangeKind]},
            volume_ml={"type": "number", "minimum": 0},
            prior_volume_ml={"type": "number", "minimum": 0},
            peak_score=_NUMBER,
            centroid_ras_mm=_list(_NUMBER, 3),
            peak_ras_mm=_list(_NUMBER, 3),
            peak_voxel=_list(_COUNT, 3),
            bounding_box=_list(_list(_COUNT, 3), 2),
        )
    ),
)

REPORT_SCHEMA: _Schema = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "D24FAD report",
    **_record(
        schema_version={"const": SCHEMA_VERSION},
        notice=_TEXT,
        warnings=_list(_WARNING),
        created={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        case_score=_NUMBER,
        planes=_list({"enum": ["axial", "coronal", "sagittal"]}) | {"minItems": 1},
        slice_axis={"enum": [0, 1, 2]},
        slice_scores=_list(_NUMBER),
        findings=_list(_FINDING),
        calibration=_CALIBRATION,
        change={"anyOf": [{"type": "null"}, _CHANGE]},
        contrasts=_list(
            _record(
                contrast=_TEXT,
                content_hash=_SHA256,
                to_contrast=_list(_list(_NUMBER, 4), 4),
            )
        ),
        geometry=_GEOMETRY,
        provenance=_PROVENANCE,
    ),
}
"""What `report_document` returns and report.json holds."""

CHANGE_REPORT_SCHEMA: _Schema = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "D24FAD report of a comparison with a prior alone",
    **_record(
        schema_version={"const": SCHEMA_VERSION},
        notice=_TEXT,
        warnings=_list(_WARNING),
        created={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        change=_CHANGE,
        geometry=_GEOMETRY,
        provenance=_record(
            query_name=_TEXT,
            query_hash=_SHA256,
            parameters={
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            },
            versions={"type": "object", "additionalProperties": {"type": "string"}},
        ),
    ),
}
"""What `change_report_document` returns; report.json holds it where there were no normals."""
