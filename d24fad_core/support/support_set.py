"""A prepared support set: normal studies, their features, and the units that they give."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.normal_response import NormalResponse
from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.comparison.normal_statistics import NormalStatistics
from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.support.frame import Frame
from d24fad_core.support.profile import StudyProfile
from d24fad_core.volumes.volume import Modality, Plane

MINIMUM_STUDIES = 2


@dataclass(frozen=True)
class SupportStudy:
    """One normal study.

    Attributes:
        name: what to call it in reports.
        content_hash: hash of its voxels, affine and modality.
        profile: what of it is compared as a whole.
    """

    name: str
    content_hash: str
    profile: StudyProfile


@dataclass(frozen=True, eq=False)
class PlaneReference:
    """What the normals look like in one plane of the frame.

    Attributes:
        plane: the plane.
        features: one entry a study.
        statistics: units of the maps.
        centre: mean of the fused map over the normals' foreground.
        spread: its standard deviation; z is (fused - centre) / spread.
        held_out: leave-one-out map of each study in z at P evenly spaced slices, (P, N, N)
            float16, 0 outside the foreground.
    """

    plane: Plane
    features: tuple[StudyFeatures, ...]
    statistics: NormalStatistics
    centre: float
    spread: float
    held_out: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class SupportSet:
    """Normal studies, ready for any number of queries.

    Attributes:
        studies: the normals.
        modality: theirs and that of every query.
        frame: the space that all are aligned in.
        ct_window: window that CT is seen in.
        register: whether studies are registered or matched by relative position.
        comparison: how studies are compared with them.
        references: one entry a plane; empty for a learned comparison.
        scales: one entry for each choice among the planes.
        stack: the studies side by side, for a learned comparison alone.
        in_one_shape: the same, deformed into the shape of their mean.
        response: what the decoder answers to untouched people, on the frame; for brains alone.
        alike: places of every two studies that look like scans of one person.
        usual_likeness: that each of them reaches with another of them at least.
        comparison_reason: why the comparison was chosen, where nobody named it.
    """

    studies: tuple[SupportStudy, ...]
    modality: Modality
    frame: Frame
    ct_window: str
    register: bool
    comparison: ComparisonKind
    references: tuple[PlaneReference, ...]
    scales: tuple[ScoreScale, ...]
    stack: NormalStack | None = None
    in_one_shape: NormalStack | None = None
    response: NormalResponse | None = None
    alike: tuple[tuple[int, int], ...] = ()
    usual_likeness: float = 0.0
    comparison_reason: str | None = None

    def scale(self, planes: Sequence[Plane]) -> ScoreScale:
        """What scores in some of the planes are measured against.

        A learned comparison always takes all planes.
        """
        if self.comparison is ComparisonKind.LEARNED:
            return self.scales[0]
        return next(scale for scale in self.scales if scale.planes == set(planes))
