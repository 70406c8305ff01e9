"""What the page of a comparison with a prior alone says, as plain JSON values."""

from typing import Any

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.change.result import ChangeResult
from d24fad_core.export.html.content import (
    ShownNormal,
    answer_entries,
    change_entry,
    normal_entries,
    view_entry,
)
from d24fad_core.export.html.shown_map import ShownMap
from d24fad_core.export.html.view_grid import ViewGrid
from d24fad_core.export.html.view_volumes import ViewVolumes
from d24fad_core.export.report import change_report_document
from d24fad_core.export.summary import change_answers
from d24fad_core.export.wording import count_text
from d24fad_core.volumes.volume import Volume


def change_page_content(
    case: Volume,
    change: ChangeResult,
    view: ShownMap,
    grid: ViewGrid,
    volumes: ViewVolumes,
    prior: ShownNormal,
) -> dict[str, Any]:
    """Put a comparison with a prior into the words and numbers of a page without findings.

    Args:
        case: the study.
        change: the comparison.
        view: its map.
        grid: what the page shows of the study.
        volumes: its voxels.
        prior: what is shown beside it.
    """
    return change_report_document(case, change) | {
        "notice": RESEARCH_USE_ONLY,
        "title": case.name,
        "headline": f"{count_text(len(change.changes), 'change').capitalize()} since "
        f"{change.use.name}",
        "summary": answer_entries(change_answers(change)),
        "case_sentence": f"Likeness of study and prior once they lie on each other: "
        f"{change.use.likeness:.2f}, where 1 is the same scan. No normal study was compared, so "
        "nothing is said of what was there at both times.",
        "threshold_sentence": f"Changes have their seed above {change.threshold:.1f} z and end "
        "where half of the change is left. One z is one standard deviation of the noise of test "
        "and retest that the pair itself shows. Heat is the strength of the change, whether the "
        "study is brighter or darker than the prior.",
        "region": "change",
        "heat": "change since the prior",
        "outlines_sentence": "Changes, their outlines and the table stay as they are.",
        "files": "changes.png and change.nii.gz",
        "findings": None,
        "normals": normal_entries([prior], grid, prior_first=True),
        "change": change_entry(change, grid),
        "view": view_entry(view, grid, volumes),
    }
