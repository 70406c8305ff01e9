"""What the scores of a case are measured against."""

from dataclasses import dataclass

from torch import Tensor

from d24fad_core.volumes.volume import Plane


@dataclass(frozen=True)
class ScoreScale:
    """What scores are measured against: the normals' own maps, put together as a case's are.

    Planes disagree where only noise is high, so that their mean spreads less than each of them
    and has a scale of its own.

    Attributes:
        planes: the planes whose z maps are averaged.
        centre: mean of that over the normals' foreground.
        spread: its standard deviation; scores are (mean of the planes - centre) / spread.
        threshold: score that normals reach in `calibration.NORMAL_VOXEL_SHARE` of their voxels.
        case_scores: leave-one-out case score of each study.
        peak_scores: highest leave-one-out score of each study.
        lowest_outline: score that the outline of a finding may fall to, see `detection.outlines`;
            None leaves outlines at the threshold.
    """

    planes: frozenset[Plane]
    centre: float
    spread: float
    threshold: float
    case_scores: tuple[float, ...]
    peak_scores: tuple[float, ...]
    lowest_outline: float | None = None

    def z(self, values: Tensor) -> Tensor:
        """Scores of map values (mean of the planes, or log-odds)."""
        return (values - self.centre) / self.spread

    def z_of(self, value: float) -> float:
        """Score of a single map value."""
        return (value - self.centre) / self.spread
