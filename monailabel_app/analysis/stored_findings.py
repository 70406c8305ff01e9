"""Findings and warnings out of the report of a stored result."""

from typing import Any

from d24fad_core.detection.result import AnalysisWarning, ContrastScore, Finding, WarningCode
from d24fad_core.places.place import FindingPlace, RegionShare, Side


def read_finding(document: dict[str, Any]) -> Finding:
    """A finding of a report; those of earlier versions know less of it."""
    first, last = document["bounding_box"]
    tuples: dict[str, tuple[Any, ...] | None] = {
        name: tuple(document[name])
        for name in ("centroid_ras_mm", "peak_ras_mm", "peak_voxel", "slice_range")
    }
    tuples["normal_distances"] = tuple(document.get("normal_distances", ()))
    matched = document.get("matched_ras_mm")
    tuples["matched_ras_mm"] = None if matched is None else tuple(matched)
    tuples["contrasts"] = tuple(ContrastScore(**each) for each in document.get("contrasts", ()))
    place = _read_place(document.get("place"))
    return Finding(
        **{**document, **tuples, "bounding_box": (tuple(first), tuple(last)), "place": place}
    )


def _read_place(document: dict[str, Any] | None) -> FindingPlace | None:
    if document is None:
        return None
    shares = tuple(
        RegionShare(each["region"], _read_side(each["side"]), each["share"])
        for each in document["shares"]
    )
    return FindingPlace(**{**document, "side": _read_side(document["side"]), "shares": shares})


def _read_side(name: str | None) -> Side | None:
    return None if name is None else Side(name)


def read_warnings(document: dict[str, Any]) -> tuple[AnalysisWarning, ...]:
    """Of a report or a record; those of older versions have none."""
    return tuple(
        AnalysisWarning(WarningCode(each["code"]), each["sentence"], each["remedy"])
        for each in document.get("warnings", ())
    )
