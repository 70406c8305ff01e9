"""Writing the page of a result."""

from collections.abc import Sequence
from pathlib import Path

import SimpleITK as sitk

from d24fad_core.change.result import ChangeResult
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.export.html.content import ShownNormal, json_text, page_content
from d24fad_core.export.html.page import page_text
from d24fad_core.export.html.view_grid import ViewGrid
from d24fad_core.export.html.view_volumes import normal_voxels, view_volumes
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
    grid = ViewGrid.of(query, result)
    volumes = view_volumes(query, result, grid)
    ct_window = str(result.provenance.parameters.get("ct_window", "body"))
    studies = [*_prior(query, change), *normals]
    beside = [normal_voxels(study, grid, ct_window) for study in studies]
    content = page_content(
        result,
        grid,
        volumes,
        [
            ShownNormal(normal.study.name, (voxels.shape[0], voxels.shape[1], voxels.shape[2]))
            for normal, voxels in zip(studies, beside, strict=True)
        ],
        change,
    )
    blocks = {
        "case": volumes.case,
        "scores": volumes.scores,
        "ranks": volumes.ranks,
        "body": volumes.body,
        "body-scores": volumes.body_scores,
        **{f"normal-{number}": voxels for number, voxels in enumerate(beside)},
    }
    title = f"{result.provenance.query_name} - D24FAD report"
    write_text(path, page_text(title, json_text(content), blocks))


def _prior(query: Volume, change: ChangeResult | None) -> list[MatchedNormal]:
    """The prior as it was laid on the study, in the study's intensities."""
    if change is None:
        return []
    laid = Volume(change.prior, change.affine, query.modality, change.use.name)
    return [MatchedNormal(laid, sitk.Euler3DTransform())]
