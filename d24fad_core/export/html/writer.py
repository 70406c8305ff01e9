"""Writing the page of a result, or of a comparison with a prior alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from d24fad_core.change.result import ChangeResult
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.html.change_content import change_page_content
from d24fad_core.export.html.content import ShownNormal, json_text, page_content
from d24fad_core.export.html.page import page_text
from d24fad_core.export.html.shown_map import ShownMap
from d24fad_core.export.html.view_grid import ViewGrid
from d24fad_core.export.html.view_volumes import (
    Bytes,
    ViewVolumes,
    normal_voxels,
    view_volumes,
)
from d24fad_core.files import write_text
from d24fad_core.support.matched_normal import MatchedNormal
from d24fad_core.volumes.volume import Volume


def write_html(
    query: Volume,
    result: AnomalyResult,
    path: Path,
    normals: Sequence[MatchedNormal] = (),
    change: ChangeResult | None = None,
) -> None:
    """Write a result as one HTML file that opens from a disk, without a network.

    It holds the study and its scores as bytes, cropped to the patient and coarser where the scan is
    large: a picture to look at, not the data to measure on.

    Args:
        query: the study that was analysed.
        result: its analysis, on the same grid.
        path: written whole or not at all.
        normals: normals to show beside the study, the nearest first.
        change: the comparison with a prior, which is then shown beside the study first.
    """
    view = ShownMap.of_result(result)
    grid = ViewGrid.of(query, view)
    volumes = view_volumes(query, view, grid)
    studies = [*([] if change is None else [_prior(query, change)]), *normals]
    beside = [normal_voxels(study, grid, view.ct_window) for study in studies]
    normals_shown = [
        _normal_view(study, voxels) for study, voxels in zip(studies, beside, strict=True)
    ]
    content = page_content(result, view, grid, volumes, normals_shown, change)
    _write(result.provenance.query_name, content, volumes, beside, path)


def write_change_html(case: Volume, change: ChangeResult, path: Path) -> None:
    """Write a comparison with a prior alone as one HTML file, as `write_html` does with a result.

    Args:
        case: the study that was compared.
        change: the comparison, on the same grid.
        path: written whole or not at all.
    """
    view = ShownMap.of_change(change)
    grid = ViewGrid.of(case, view)
    volumes = view_volumes(case, view, grid)
    prior = _prior(case, change)
    voxels = normal_voxels(prior, grid, view.ct_window)
    content = change_page_content(case, change, view, grid, volumes, _normal_view(prior, voxels))
    _write(case.name, content, volumes, [voxels], path)


def _write(
    name: str,
    content: dict[str, Any],
    volumes: ViewVolumes,
    beside: Sequence[Bytes],
    path: Path,
) -> None:
    blocks = {
        "case": volumes.case,
        "scores": volumes.scores,
        "ranks": volumes.ranks,
        "body": volumes.body,
        "body-scores": volumes.body_scores,
        **{f"normal-{number}": voxels for number, voxels in enumerate(beside)},
    }
    write_text(path, page_text(f"{name} - D24FAD report", json_text(content), blocks))


def _normal_view(normal: MatchedNormal, voxels: Bytes) -> ShownNormal:
    first, second, third = voxels.shape
    return ShownNormal(normal.study.name, (first, second, third))


def _prior(query: Volume, change: ChangeResult) -> MatchedNormal:
    """The prior as it was laid on the study, in the study's intensities."""
    laid = Volume(change.prior, change.affine, query.modality, change.use.name)
    return MatchedNormal(laid, sitk.Euler3DTransform())
