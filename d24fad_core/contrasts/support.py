"""Normal people in several contrasts, as cases are compared with them."""

from dataclasses import dataclass

from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.contrasts.joint_intensities import JointNormals
from d24fad_core.support.support_set import SupportSet


@dataclass(frozen=True, eq=False)
class ContrastSupport:
    """Normal people in several contrasts.

    Attributes:
        contrasts: names, the reference first.
        sets: one a contrast, of the same people in the same order.
        scale: what fused scores are measured against.
        joint: what the normals show in all contrasts together; None of a single contrast.
    """

    contrasts: tuple[str, ...]
    sets: tuple[SupportSet, ...]
    scale: ScoreScale
    joint: JointNormals | None = None
