"""The row that a scan writes for each study, whatever the table's file format."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from d24fad_core.detection.result import AnomalyResult
from d24fad_core.detection.source_grid import on_source_grid


@dataclass(frozen=True)
class StudyRow:
    """What a scan keeps of a study; scores are missing where it failed.

    Attributes:
        identifier: see `ListedStudy`.
        study: the entry in the worklist.
        error: why it failed; empty where it did not.
        seconds: time of the last attempt, reading and writing included.
        attempts: how often it was begun.
        case_score: one score for the study, z units.
        p_value: conformal p-value of the case score.
        normal_patients: number of normals behind it.
        threshold: z above which a voxel belongs to a finding.
        peak_scores: highest z of each finding, falling.
        volumes_ml: their volumes.
        centroids_ras_mm: their centres, RAS, three numbers each.
        warnings: codes of the reasons to doubt it.
        content_hash: SHA-256 of the study's voxels and geometry.
        checkpoint_hash: what made the scores.
    """

    identifier: str
    study: str
    error: str = ""
    seconds: float = 0.0
    attempts: int = 1
    case_score: float | None = None
    p_value: float | None = None
    normal_patients: int | None = None
    threshold: float | None = None
    peak_scores: list[float] = field(default_factory=list)
    volumes_ml: list[float] = field(default_factory=list)
    centroids_ras_mm: list[list[float]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    content_hash: str = ""
    checkpoint_hash: str = ""

    @classmethod
    def of(cls, identifier: str, study: str, result: AnomalyResult, seconds: float) -> "StudyRow":
        """The row of a finished analysis."""
        calibration, provenance = result.calibration, result.provenance
        findings = on_source_grid(result).findings
        return cls(
            identifier=identifier,
            study=study,
            seconds=seconds,
            case_score=result.case_score,
            p_value=calibration.p_value,
            normal_patients=calibration.normal_patients,
            threshold=calibration.threshold,
            peak_scores=[finding.peak_score for finding in findings],
            volumes_ml=[finding.volume_ml for finding in findings],
            centroids_ras_mm=[list(finding.centroid_ras_mm) for finding in findings],
            warnings=[warning.code.value for warning in result.warnings],
            content_hash=provenance.query_hash,
            checkpoint_hash=provenance.checkpoint_hash,
        )


class RowStore(Protocol):
    """Where rows go, and what is there already."""

    def append(self, rows: Sequence[StudyRow]) -> None:
        """Keep more rows."""

    def finished(self) -> dict[str, float]:
        """When the studies were finished that need no analysis: seconds since 1970 by
        identifier.
        """
