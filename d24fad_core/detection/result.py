"""What an analysis of one study yields; every edge (files, server, Slicer) consumes this type."""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from d24fad_core.detection.rank_map import label_findings
from d24fad_core.places.place import FindingPlace
from d24fad_core.volumes.reduction import Reduction
from d24fad_core.volumes.volume import Plane


@dataclass(frozen=True)
class ContrastScore:
    """How a finding scores in one contrast alone.

    Attributes:
        contrast: its name.
        peak_score: highest score inside, in z of the normals' maps of this contrast.
        mean_score: mean score inside, in the same unit.
    """

    contrast: str
    peak_score: float
    mean_score: float


@dataclass(frozen=True)
class Finding:
    """A connected region of the mask.

    Attributes:
        rank: 1 for the finding with the highest peak score.
        volume_ml: volume in ml.
        peak_score: highest score inside, in z units.
        mean_score: mean score inside, in z units.
        centroid_ras_mm: score-weighted centre, RAS, mm.
        peak_ras_mm: position of the highest score, RAS, mm.
        peak_voxel: the same as index (i, j, k) of the source array.
        slice_range: first and last slice touched, inclusive, counted along `slice_axis` of the
            source array.
        bounding_box: first and last voxel index (i, j, k), both inclusive, on the source grid.
        p_value: share of normals, the case counted in, whose highest score anywhere is at least
            the peak, each normal left out in turn; None where it is not known.
        normal_distances: mean distance over the finding to each support study, in their order, in
            a unit that only compares them with each other; empty where it is not known.
        nearest_normal: name of the support study at the smallest distance.
        matched_ras_mm: where the peak lies in that normal, RAS, mm of the normal; None where it was
            not laid on the study.
        place: names of where it is; None where they are not known.
        contrasts: how it scores in each contrast; empty where the study has only one.
    """

    rank: int
    volume_ml: float
    peak_score: float
    mean_score: float
    centroid_ras_mm: tuple[float, float, float]
    peak_ras_mm: tuple[float, float, float]
    peak_voxel: tuple[int, int, int]
    slice_range: tuple[int, int]
    bounding_box: tuple[tuple[int, int, int], tuple[int, int, int]]
    p_value: float | None = None
    normal_distances: tuple[float, ...] = ()
    nearest_normal: str | None = None
    matched_ras_mm: tuple[float, float, float] | None = None
    place: FindingPlace | None = None
    contrasts: tuple[ContrastScore, ...] = ()

    @property
    def carried_by(self) -> str | None:
        """The contrast in which it scores highest on average; None where there is only one."""
        if not self.contrasts:
            return None
        return max(self.contrasts, key=lambda score: score.mean_score).contrast


@dataclass(frozen=True)
class CalibrationSummary:
    """What the scores are measured against.

    Attributes:
        unit: what one unit of the heatmap means.
        threshold: score above which a voxel belongs to the mask.
        normal_patients: number of normal patients that the scale rests on.
        normal_case_scores: leave-one-out case score of each of them.
        p_value: conformal p-value (1 + #{normal >= case}) / (n + 1) of the case score.
        statement: one sentence on what these normals can and cannot certify.
    """

    unit: str
    threshold: float
    normal_patients: int
    normal_case_scores: tuple[float, ...]
    p_value: float
    statement: str


@dataclass(frozen=True)
class SupportUse:
    """One support study and its share of the weight, averaged over the slices.

    The provenance's parameter `weighting` says whether the shares were learnt or are equal.
    """

    name: str
    content_hash: str
    share: float


@dataclass(frozen=True)
class Provenance:
    """What is needed to repeat an analysis."""

    query_name: str
    query_hash: str
    checkpoint_name: str
    checkpoint_hash: str
    supports: tuple[SupportUse, ...]
    parameters: dict[str, str | int | float | bool | None]
    versions: dict[str, str]


class WarningCode(str, Enum):
    """What makes a result doubtful."""

    CASE_IN_SUPPORT = "case_in_support"
    DIFFERS_EVERYWHERE = "differs_everywhere"
    OTHER_SIZE = "other_size"
    OTHER_RESOLUTION = "other_resolution"
    OTHER_SCANNER = "other_scanner"
    SUPPORTS_ALIKE = "supports_alike"
    ABNORMAL_SUPPORT = "abnormal_support"
    PRIOR_LATER = "prior_later"
    PRIOR_UNLIKE = "prior_unlike"
    PRIOR_PARTIAL = "prior_partial"
    PRIOR_RESOLUTION = "prior_resolution"
    CONTRAST_MISSING = "contrast_missing"
    CONTRAST_UNLIKE = "contrast_unlike"


@dataclass(frozen=True)
class AnalysisWarning:
    """A reason to doubt a result.

    Attributes:
        code: what kind of reason.
        sentence: what is strange, with the values.
        remedy: what to do about it.
    """

    code: WarningCode
    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}"


@dataclass(frozen=True)
class ContrastUse:
    """A contrast of the case that was analysed.

    Attributes:
        contrast: its name.
        content_hash: of its scan as read, as `Volume.content_hash`.
        to_contrast: 4x4 matrix from points of the reference contrast to points of this one, RAS mm.
    """

    contrast: str
    content_hash: str
    to_contrast: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, eq=False)
class AnomalyResult:
    """The analysis of one study, on the grid of its source.

    Of a study that was reduced while it was read, everything here is on the reduced grid;
    `detection.source_grid` and `export` bring it back.

    Attributes:
        heatmap: score of each voxel in z units, float32, shape of the source array; 0 outside
            the foreground.
        mask: uint8, 1 where a finding is.
        affine: the source's 4x4 matrix from voxel index to RAS mm.
        planes: planes that were analysed.
        slice_axis: axis of the source array that the slices of `planes[0]` are stacked along.
        slice_scores: one score a source slice along `slice_axis`, z units.
        case_score: one score for the whole study, z units; never above the heatmap's highest.
        findings: by falling peak score.
        calibration: what the scores are measured against.
        provenance: what is needed to repeat this.
        warnings: reasons to doubt it; see `detection.study_checks`.
        reduction: how the study was reduced while it was read; None where it was not.
        contrasts: what was fused, the reference first, on whose grid all is; empty where the study
            has only one contrast.
    """

    heatmap: NDArray[np.float32]
    mask: NDArray[np.uint8]
    affine: NDArray[np.float64]
    planes: tuple[Plane, ...]
    slice_axis: int
    slice_scores: tuple[float, ...]
    case_score: float
    findings: tuple[Finding, ...]
    calibration: CalibrationSummary
    provenance: Provenance
    warnings: tuple[AnalysisWarning, ...] = ()
    reduction: Reduction | None = None
    contrasts: tuple[ContrastUse, ...] = ()

    @cached_property
    def ranks(self) -> NDArray[np.uint16]:
        """Rank of the finding that a voxel belongs to, 0 outside all; shape of the mask, read-only.

        Made once, when it is first asked for.
        """
        ranks = label_findings(self.mask, self.findings)
        ranks.flags.writeable = False
        return ranks
