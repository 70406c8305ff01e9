"""Why a region is a finding: how rare its peak is among the normals, and which is most like it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from d24fad_core.detection.calibration import conformal_p_value
from d24fad_core.detection.findings import finding_voxels
from d24fad_core.detection.rank_map import label_findings
from d24fad_core.detection.result import Finding
from d24fad_core.support.frame import AlignedStudy, Frame
from d24fad_core.support.support_set import SupportSet
from d24fad_core.volumes.volume import Volume

_PLACES = 4000
"""Voxels of a finding that are looked at; more, evenly spread, change nothing."""

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def with_evidence(
    findings: Sequence[Finding],
    mask: NDArray[np.uint8],
    query: Volume,
    aligned: AlignedStudy,
    support: SupportSet,
    normal_peaks: Sequence[float],
    distances: NDArray[np.float16] | None,
) -> tuple[Finding, ...]:
    """Findings with a p-value each and their distance to each normal.

    Args:
        findings: of the mask.
        mask: uint8, on the query's grid.
        query: the study.
        aligned: how it lies in the support's frame.
        support: the normals.
        normal_peaks: highest score of each normal, left out in turn.
        distances: (K, X, Y, Z) between the query and each normal on the frame's grid; None where
            the comparison knows none.
    """
    names = [study.name for study in support.studies]
    ranks = None if distances is None else label_findings(mask, findings)
    to_frame = voxel_to_frame(query, aligned, support.frame)
    known = []
    for finding in findings:
        apart: tuple[float, ...] = ()
        if distances is not None and ranks is not None:
            apart = _distances(finding, ranks, to_frame, distances)
        known.append(
            replace(
                finding,
                p_value=conformal_p_value(finding.peak_score, normal_peaks),
                normal_distances=apart,
                nearest_normal=names[int(np.argmin(apart))] if apart else None,
            )
        )
    return tuple(known)


def _distances(
    finding: Finding,
    ranks: NDArray[np.uint16],
    to_frame: NDArray[np.float64],
    distances: NDArray[np.float16],
) -> tuple[float, ...]:
    """Mean distance to each normal over the voxels of a finding."""
    values = values_inside(finding, ranks, to_frame, distances)
    return tuple(values.mean(axis=1).tolist())


def values_inside(
    finding: Finding,
    ranks: NDArray[np.uint16],
    to_frame: NDArray[np.float64],
    maps: NDArray[np.float16] | NDArray[np.float32],
) -> NDArray[np.float64]:
    """(K, N) values of K maps of the frame, (K, X, Y, Z), at places of a finding."""
    voxels = finding_voxels(finding, ranks, _PLACES)
    places = np.rint(voxels @ to_frame[:3, :3].T + to_frame[:3, 3]).astype(int)
    places = places.clip(0, np.array(maps.shape[1:]) - 1)
    return maps[:, places[:, 0], places[:, 1], places[:, 2]].astype(np.float64)


def voxel_to_frame(query: Volume, aligned: AlignedStudy, frame: Frame) -> NDArray[np.float64]:
    """4x4 from voxel index of the query to voxel index of the frame."""
    ends = np.vstack([np.zeros(3), np.eye(3)])
    moved = np.array([aligned.to_study.TransformPoint(end.tolist()) for end in ends])
    to_study = np.eye(4)
    to_study[:3, :3] = (moved[1:] - moved[0]).T
    to_study[:3, 3] = moved[0]
    in_study = _LPS @ to_study @ _LPS @ frame.affine
    result: NDArray[np.float64] = np.linalg.inv(in_study) @ query.affine
    return result
