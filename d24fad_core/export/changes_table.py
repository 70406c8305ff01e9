"""The changes since a prior as a CSV table."""

import csv
import io
from pathlib import Path

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.change.result import ChangeResult
from d24fad_core.export.wording import volume_text
from d24fad_core.files import write_text

_POINTS = ("centroid", "peak")
CHANGE_COLUMNS = (
    "study",
    "prior",
    "rank",
    "kind",
    "volume_ml",
    "prior_volume_ml",
    "peak_z",
    *(f"{point}_{side}_mm" for point in _POINTS for side in ("right", "anterior", "superior")),
    *(f"peak_voxel_{axis}" for axis in "ijk"),
    "notice",
)
"""The columns; places are RAS, so negative where the patient's left, back or feet are."""


def write_changes(study: str, change: ChangeResult, path: Path) -> None:
    """Write one row a change, by rank; the header alone where there is none.

    Args:
        study: name of the study.
        change: its comparison with a prior.
        path: written whole or not at all.
    """
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(CHANGE_COLUMNS)
    for each in change.changes:
        table.writerow(
            (
                study,
                change.use.name,
                each.rank,
                each.kind.value,
                volume_text(each.volume_ml),
                volume_text(each.prior_volume_ml),
                f"{each.peak_score:.2f}",
                *(f"{place:.1f}" for place in (*each.centroid_ras_mm, *each.peak_ras_mm)),
                *each.peak_voxel,
                RESEARCH_USE_ONLY,
            )
        )
    write_text(path, stream.getvalue())
