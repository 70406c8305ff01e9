"""A prepared support set: normal studies, their features, and the units that they give."""

from dataclasses import dataclass

from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.comparison.normal_statistics import NormalStatistics
from d24fad_core.support.frame import Frame
from d24fad_core.volumes.volume import Modality, Plane

MINIMUM_STUDIES = 2


@dataclass(frozen=True)
class SupportStudy:
    """One normal study.

    Attributes:
        name: what to call it in reports.
        content_hash: hash of its voxels, affine and modality.
        similarity: correlation with the first study after alignment.
    """

    name: str
    content_hash: str
    similarity: float


@dataclass(frozen=True, eq=False)
class PlaneReference:
    """What the normals look like in one plane of the frame.

    Attributes:
        plane: the plane.
        features: one entry a study.
        statistics: units of the maps.
        centre: mean of the fused map over the normals' foreground.
        spread: its standard deviation; scores are (fused - centre) / spread.
        threshold: z that normals exceed in `calibration.NORMAL_VOXEL_SHARE` of their voxels.
        case_scores: leave-one-out case score of each study in z.
    """

    plane: Plane
    features: tuple[StudyFeatures, ...]
    statistics: NormalStatistics
    centre: float
    spread: float
    threshold: float
    case_scores: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class SupportSet:
    """Normal studies, ready for any number of queries.

    Attributes:
        studies: the normals.
        modality: theirs and that of every query.
        frame: the space that all are aligned in.
        ct_window: window that CT is seen in.
        register: whether studies are registered or matched by relative position.
        translate: whether the units are those of translated normals.
        references: one entry a plane.
    """

    studies: tuple[SupportStudy, ...]
    modality: Modality
    frame: Frame
    ct_window: str
    register: bool
    translate: bool
    references: tuple[PlaneReference, ...]
