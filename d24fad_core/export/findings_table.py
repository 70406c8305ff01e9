"""The findings as a CSV table, for spreadsheets and statistics."""

import csv
import io
from pathlib import Path

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.detection.source_grid import on_source_grid
from d24fad_core.export.wording import volume_text
from d24fad_core.files import write_text
from d24fad_core.places.place import FindingPlace

_POINTS = ("centroid", "peak")
_SIDES = ("right", "anterior", "superior")
COLUMNS = (
    "study",
    "rank",
    "volume_ml",
    "peak_z",
    "mean_z",
    *(f"{point}_{side}_mm" for point in _POINTS for side in _SIDES),
    *(f"peak_voxel_{axis}" for axis in "ijk"),
    "first_slice",
    "last_slice",
    "p_value",
    "nearest_normal",
    *(f"matched_{side}_mm" for side in _SIDES),
    "side",
    "region",
    "place",
    "notice",
)
"""The columns; places are RAS, so negative where the patient's left, back or feet are; the
matched one is of the nearest normal."""

CONTRAST_COLUMN = "carried_by"
"""One more, before the notice, where several contrasts were fused."""


def place_cells(place: FindingPlace | None) -> tuple[str, str, str]:
    """Side, region with the largest share, and all in words; empty where nothing is known."""
    if place is None:
        return "", "", ""
    return "" if place.side is None else place.side.value, place.region, str(place)


def write_findings(result: AnomalyResult, path: Path) -> None:
    """Write one row a finding, by rank; the header alone where there is none.

    Numbers are rounded to what is known; report.json has them in full.

    Args:
        result: the analysis to write.
        path: written whole or not at all.
    """
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    more = (CONTRAST_COLUMN,) if result.contrasts else ()
    table.writerow((*COLUMNS[:-1], *more, COLUMNS[-1]))
    for finding in on_source_grid(result).findings:
        table.writerow(
            (
                result.provenance.query_name,
                finding.rank,
                volume_text(finding.volume_ml),
                f"{finding.peak_score:.2f}",
                f"{finding.mean_score:.2f}",
                *(f"{place:.1f}" for place in (*finding.centroid_ras_mm, *finding.peak_ras_mm)),
                *finding.peak_voxel,
                *finding.slice_range,
                "" if finding.p_value is None else f"{finding.p_value:.3f}",
                finding.nearest_normal or "",
                *(
                    ("", "", "")
                    if finding.matched_ras_mm is None
                    else (f"{place:.1f}" for place in finding.matched_ras_mm)
                ),
                *place_cells(finding.place),
                *((finding.carried_by,) if result.contrasts else ()),
                RESEARCH_USE_ONLY,
            )
        )
    write_text(path, stream.getvalue())
