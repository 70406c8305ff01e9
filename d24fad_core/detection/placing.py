"""Findings with the names of the places where they are."""

from dataclasses import replace

from d24fad_core.detection.findings import finding_voxels
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.places.brain import align_brain, brain_places
from d24fad_core.places.region_map import RegionMap
from d24fad_core.volumes.volume import Volume

_VOXELS = 20000
"""Of a finding; more, evenly spread, change no share by a hundredth."""


def with_places(
    result: AnomalyResult, study: Volume, regions: RegionMap | None = None
) -> AnomalyResult:
    """Name where the findings of a result are.

    Args:
        result: the analysis.
        study: what was analysed, on the same grid, with its mask.
        regions: a label map in the study's space; without one, lobes and deep structures of the
            brain are named where the study is an MR of one.

    Returns:
        The same result, its findings with places where they are known.
    """
    if not result.findings:
        return result
    ranks = result.ranks
    voxels = [finding_voxels(finding, ranks, _VOXELS) for finding in result.findings]
    if regions is not None:
        affine = result.affine
        places = tuple(regions.place(each @ affine[:3, :3].T + affine[:3, 3]) for each in voxels)
    else:
        alignment = align_brain(study)
        if alignment is None:
            return result
        places = brain_places(voxels, alignment)
    findings = tuple(
        replace(finding, place=place)
        for finding, place in zip(result.findings, places, strict=True)
    )
    return replace(result, findings=findings)
