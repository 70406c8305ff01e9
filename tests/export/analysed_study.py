"""A small study with its analysis, for the tests of this folder."""

from dataclasses import replace

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from d24fad_core.detection.findings import find_findings
from d24fad_core.detection.result import (
    AnomalyResult,
    CalibrationSummary,
    Provenance,
    SupportUse,
)
from d24fad_core.volumes.reduction import Reduction, reduced_affine
from d24fad_core.volumes.volume import Modality, Plane, Volume


def analysed(
    shape: tuple[int, int, int] = (24, 28, 12),
    affine: NDArray[np.float64] | None = None,
    plane: Plane = Plane.AXIAL,
    modality: Modality = Modality.MR,
    name: str = "case-1",
    threshold: float = 3.0,
    lesions: tuple[tuple[tuple[int, int, int], float], ...] = (((16, 9, 6), 8.0),),
) -> tuple[Volume, AnomalyResult]:
    """A study of a grey box with a bump of score at each lesion's voxel, and its analysis."""
    affine = np.diag([1.0, 1.0, 3.0, 1.0]) if affine is None else affine
    image = np.zeros(shape, dtype=np.float32)
    body = tuple(slice(1, length - 1) if length > 3 else slice(None) for length in shape)
    image[body] = np.random.default_rng(0).normal(100, 5, image[body].shape)
    heatmap = np.where(image > 0, 0.5, 0.0).astype(np.float32)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    for voxel, score in lesions:
        distance = np.linalg.norm((grid - voxel) * spacing, axis=-1)
        heatmap = np.maximum(heatmap, (score * np.exp(-((distance / 4) ** 2))).astype(np.float32))

    slice_axis = int(np.flatnonzero(io_orientation(affine)[:, 0] == plane.axis)[0])
    mask, findings = find_findings(heatmap, threshold, affine, slice_axis, 0.0)
    others = tuple(axis for axis in range(3) if axis != slice_axis)
    query = Volume(image, affine, modality, name)
    supports = tuple(SupportUse(f"normal-{n}", f"{n:064x}", 0.25) for n in range(4))
    result = AnomalyResult(
        heatmap=heatmap,
        mask=mask,
        affine=affine,
        planes=(plane,),
        slice_axis=slice_axis,
        slice_scores=tuple(heatmap.max(axis=others).tolist()),
        case_score=float(heatmap.max()),
        findings=findings,
        calibration=CalibrationSummary(
            unit="z",
            threshold=threshold,
            normal_patients=4,
            normal_case_scores=(1.5, 1.9, 2.2, 2.4),
            p_value=0.2,
            statement="4 normal patients certify no false-positive rate below 20 %.",
        ),
        provenance=Provenance(
            query_name=name,
            query_hash=query.content_hash,
            checkpoint_name="default",
            checkpoint_hash="c" * 64,
            supports=supports,
            parameters={"planes": plane.value, "threshold": threshold, "register": False},
            versions={"d24fad": "0.1.0"},
        ),
    )
    return query, result


def reduced_study(
    factors: tuple[int, int, int],
    missing: tuple[int, int, int] = (0, 0, 0),
    affine: NDArray[np.float64] | None = None,
    plane: Plane = Plane.AXIAL,
    lesions: tuple[tuple[tuple[int, int, int], float], ...] = (((9, 9, 3), 8.0),),
) -> tuple[Volume, AnomalyResult]:
    """A study of 16 x 18 x 10 blocks, and its analysis.

    Args:
        factors: voxels of a block.
        missing: voxels that the last block lacks along each axis, at most all but one.
        affine: of the source.
        plane: plane of the slices.
        lesions: as for `analysed`, in blocks.
    """
    affine = np.diag([0.5, 0.5, 0.7, 1.0]) if affine is None else affine
    blocks = (16, 18, 10)
    first, second, third = (
        n * factor - min(lack, factor - 1)
        for n, factor, lack in zip(blocks, factors, missing, strict=True)
    )
    reduction = Reduction((first, second, third), affine, factors, "d" * 64)
    grid = reduced_affine(affine, factors)
    query, result = analysed(blocks, grid, plane, lesions=lesions)
    return replace(query, reduction=reduction), replace(result, reduction=reduction)
