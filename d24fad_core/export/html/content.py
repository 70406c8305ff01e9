"""What the page says, as plain JSON values; the page's script only lays it out."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.change.result import ChangeResult
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.answers import Answer
from d24fad_core.export.html.shown_map import ShownMap
from d24fad_core.export.html.view_grid import ViewGrid
from d24fad_core.export.html.view_volumes import ViewVolumes
from d24fad_core.export.pictures.colour_scale import (
    ALPHA_AT_MAXIMUM,
    ALPHA_AT_THRESHOLD,
    ColourScale,
    colours,
)
from d24fad_core.export.report import report_document
from d24fad_core.export.summary import summary_answers
from d24fad_core.export.wording import (
    as_high_count,
    case_sentence,
    count_text,
    distances_sentence,
    finding_sentences,
    smallest_text,
    threshold_sentence,
    volume_text,
)
from d24fad_core.volumes.volume import Plane

_COLOURS = 256
_RIGHT_ANGLE_TOLERANCE = 0.02


@dataclass(frozen=True)
class ShownNormal:
    """A normal that the page shows beside the case.

    Attributes:
        name: of the study.
        shape: voxels of what is shown.
    """

    name: str
    shape: tuple[int, int, int]


def page_content(
    result: AnomalyResult,
    view: ShownMap,
    grid: ViewGrid,
    volumes: ViewVolumes,
    normals: Sequence[ShownNormal] = (),
    change: ChangeResult | None = None,
) -> dict[str, Any]:
    """Put a result into the words and numbers of the page.

    Args:
        result: the analysis.
        view: its map.
        grid: what the page shows of the study.
        volumes: its voxels.
        normals: what is shown beside it: the prior where there is a change, then normals, the
            nearest first.
        change: the comparison with a prior.
    """
    document = report_document(result, change=change)
    document.pop("slice_scores")
    return document | {
        "notice": RESEARCH_USE_ONLY,
        "title": result.provenance.query_name,
        "headline": count_text(len(result.findings), "finding").capitalize(),
        "summary": answer_entries(summary_answers(result, change)),
        "case_sentence": case_sentence(result),
        "threshold_sentence": threshold_sentence(result)
        + " One z is one standard deviation of what the normals show when each is compared with "
        "the others. Other normals, or another comparison, give another scale: do not compare "
        "their z with these.",
        "region": "finding",
        "heat": "difference from the normals",
        "outlines_sentence": "Findings, their outlines and the table stay those of the analysis, "
        f"whose threshold is {view.threshold:.1f} z. {_specks(result)}".rstrip(),
        "files": "overlay.png and heatmap.nii.gz",
        "findings": _findings(document["findings"], result, grid),
        "normals": normal_entries(normals, grid, prior_first=change is not None),
        "change": None if change is None else change_entry(change, grid),
        "view": view_entry(view, grid, volumes),
    }


def answer_entries(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Questions and answers, as the page's script lays them out."""
    return [asdict(answer) for answer in answers]


def normal_entries(
    normals: Sequence[ShownNormal], grid: ViewGrid, *, prior_first: bool
) -> list[dict[str, Any]]:
    """What is shown beside the case, and whether the first of it is the prior."""
    return [
        {
            "name": normal.name,
            "prior": prior_first and number == 0,
            **_placed(grid, normal.shape),
        }
        for number, normal in enumerate(normals)
    ]


def view_entry(view: ShownMap, grid: ViewGrid, volumes: ViewVolumes) -> dict[str, Any]:
    """How the voxels of a page are laid out and coloured."""
    scale = ColourScale.above(view.threshold)
    return {
        **_placed(grid, grid.shape),
        "body": _placed(grid, volumes.body.shape),
        "fraction_to_mm": grid.fraction_to_mm.tolist(),
        "voxel_ml": float(np.prod(grid.spacing)) / 1000.0,
        "note": _grid_note(grid),
        "score_step": volumes.score_step,
        "lowest_score": volumes.lowest_score,
        "threshold": scale.threshold,
        "maximum": scale.maximum,
        "alpha": [ALPHA_AT_THRESHOLD, ALPHA_AT_MAXIMUM],
        "colours": _colours(),
        "strip": _strip(view, grid),
    }


def json_text(content: dict[str, Any]) -> str:
    """JSON that cannot end the script element which holds it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _findings(
    documents: list[dict[str, Any]], result: AnomalyResult, grid: ViewGrid
) -> list[dict[str, Any]]:
    names = [use.name for use in result.provenance.supports]
    # The document counts voxels of the source; the page those of the array that was analysed.
    return [
        document
        | {
            "volume_text": volume_text(document["volume_ml"]),
            "as_high": as_high_count(finding, result.calibration),
            "sentences": finding_sentences(finding, result.calibration),
            "distances_sentence": distances_sentence(finding, names),
            "place_text": str(finding.place or ""),
            "fraction": grid.fraction(finding.peak_voxel),
        }
        for document, finding in zip(documents, result.findings, strict=True)
    ]


def _specks(result: AnomalyResult) -> str:
    """What colour without an outline is."""
    smallest = smallest_text(result)
    if smallest is None:
        return ""
    return f"Colour without an outline lies in regions below {smallest}, too small for a finding."


def change_entry(change: ChangeResult, grid: ViewGrid) -> dict[str, Any]:
    """What became of each place since the prior."""
    return {
        "prior": change.use.name,
        "prior_hash": change.use.content_hash,
        "sentence": f"{count_text(len(change.changes), 'entry', 'entries').capitalize()} since "
        f"{change.use.name}; changes have their seed above {change.threshold:.1f} z of the pair's "
        "own noise. Above 0 the study is brighter than the prior was; stable findings did not "
        "change.",
        "rows": [
            {
                "rank": each.rank,
                "kind": each.kind.value,
                "before": volume_text(each.prior_volume_ml),
                "now": volume_text(each.volume_ml),
                "peak": round(each.peak_score, 1),
                "fraction": grid.fraction(each.peak_voxel),
            }
            for each in change.changes
        ],
    }


def _placed(grid: ViewGrid, shape: tuple[int, ...]) -> dict[str, Any]:
    extent = np.array(grid.shape) * grid.spacing
    return {"shape": list(shape), "spacing": (extent / shape).tolist()}


def _colours() -> str:
    """The colours of the scale from 0 to its end, six hexadecimal digits each."""
    levels = np.linspace(0.0, 1.0, _COLOURS)
    rgb = np.rint(colours()(levels)[:, :3] * 255).astype(np.uint8)
    return bytes(rgb.tobytes()).hex()


def _strip(view: ShownMap, grid: ViewGrid) -> dict[str, Any]:
    """One score a slice of the box, from left, posterior or inferior on."""
    axis, reversed_ = grid.axis(view.slice_axis)
    scores = list(view.slice_scores)
    numbers = list(range(len(scores)))
    if view.reduction is not None:
        numbers = [
            view.reduction.middle_voxel(view.slice_axis, block) for block in range(len(scores))
        ]
    if reversed_:
        scores.reverse()
        numbers.reverse()
    first, length = int(grid.first[axis]), int(grid.length[axis])
    return {
        "plane": next(plane.value for plane in Plane if plane.axis == axis),
        "axis": axis,
        "scores": [round(score, 3) for score in scores[first : first + length]],
        "numbers": numbers[first : first + length],
        "extent": int(grid.shape[axis] * grid.factors[axis]),
    }


def _grid_note(grid: ViewGrid) -> str:
    """What the reader should know of how the study is drawn."""
    notes = []
    if max(grid.factors) > 1:
        size = " x ".join(f"{length:.1f}" for length in grid.spacing)
        notes.append(f"For this page the study was reduced to voxels of {size} mm.")
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    if (np.abs(directions).max(axis=0) < 1 - _RIGHT_ANGLE_TOLERANCE).any():
        notes.append(
            "The scan is oblique: slices follow its own axes, and letters name the nearest side."
        )
    return " ".join(notes)
