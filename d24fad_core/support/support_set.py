"""A prepared support set: normal studies, their features, and the units that they give."""

from dataclasses import dataclass

from d24fad_core.data.volume import Modality, Plane, Volume
from d24fad_core.support.features import StudyFeatures
from d24fad_core.support.normal_statistics import NormalStatistics

MINIMUM_STUDIES = 2


@dataclass(frozen=True)
class SupportStudy:
    """One normal study.

    Attributes:
        name: what to call it in reports.
        content_hash: hash of its voxels, affine and modality.
        volume: the study itself, kept where it is to be registered to queries.
    """

    name: str
    content_hash: str
    volume: Volume | None = None


@dataclass(frozen=True, eq=False)
class PlaneReference:
    """What the normals look like in one plane.

    Attributes:
        plane: the plane.
        features: one entry a study.
        statistics: units of the maps.
        unit: standard deviation of the fused map over the normals' foreground.
        threshold: fused score, in units, that normals exceed in a share of their voxels
            (`calibration.NORMAL_VOXEL_SHARE`) only.
        case_scores: leave-one-out case score of each study, in units.
    """

    plane: Plane
    features: tuple[StudyFeatures, ...]
    statistics: NormalStatistics
    unit: float
    threshold: float
    case_scores: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class SupportSet:
    """Normal studies, ready for any number of queries.

    Attributes:
        studies: the normals.
        modality: theirs and that of every query.
        references: one entry a plane.
    """

    studies: tuple[SupportStudy, ...]
    modality: Modality
    references: tuple[PlaneReference, ...]
