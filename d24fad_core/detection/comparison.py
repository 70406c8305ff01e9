"""What every way to compare a study with normal ones has in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.detection.options import DetectionOptions
from d24fad_core.io.known_studies import StudySource
from d24fad_core.progress import Progress
from d24fad_core.support.frame import AlignedStudy, Frame
from d24fad_core.support.support_set import SupportSet


@dataclass(frozen=True, eq=False)
class ComparedStudy:
    """A study beside its normals, in z.

    Attributes:
        heatmap: (X, Y, Z) float32 on the frame's grid, 0 outside the foreground.
        case_score: one score for the study, of the map on the frame's grid.
        shares: share of each support study.
        learnt_shares: whether the shares were learnt; otherwise all are equal.
        distances: (K, X, Y, Z) from each support study on the frame's grid, in a unit of the
            comparison's own; None where it tells no single studies apart.
    """

    heatmap: NDArray[np.float32]
    case_score: float
    shares: tuple[float, ...]
    learnt_shares: bool
    distances: NDArray[np.float16] | None = None


@dataclass(frozen=True, eq=False)
class PlacedComparison:
    """A study beside its normals, and where it lies.

    Attributes:
        aligned: the study in the support's frame.
        compared: its comparison there.
    """

    aligned: AlignedStudy
    compared: ComparedStudy


@dataclass(frozen=True)
class ModelIdentity:
    """What a comparison was made by.

    Attributes:
        name: the name on its card.
        content_hash: changes with all that shapes a score.
    """

    name: str
    content_hash: str


class Comparison(Protocol):
    """A way to compare a study with normal ones."""

    @property
    def identity(self) -> ModelIdentity:
        """The model that compares."""

    def prepare(
        self, studies: Sequence[StudySource], options: DetectionOptions, progress: Progress
    ) -> SupportSet:
        """Compute, or fetch from the cache, what is needed of the normal studies.

        Raises:
            InputError: a study has no foreground, or cannot be read any more.
            ConfigurationError: this model cannot compare so.
        """

    def compare(
        self,
        study: AlignedStudy,
        support: SupportSet,
        options: DetectionOptions,
        progress: Progress,
    ) -> ComparedStudy:
        """Compare a study in the support's frame with the support.

        Raises:
            InputError: the study has no foreground.
        """

    def held_out(
        self,
        studies: Sequence[StudySource],
        support: SupportSet,
        options: DetectionOptions,
        progress: Progress,
    ) -> list[NDArray[np.float32]]:
        """The map of each normal against the others: (X, Y, Z), z, in the frame, 0 outside.

        Args:
            studies: the normals of the support, in its order.
            support: from `prepare`.
            options: those that it was prepared with.
            progress: told of each step.
        """

    def fused_scale(
        self,
        maps: Sequence[NDArray[np.float32]],
        scales: Sequence[ScoreScale],
        frame: Frame,
        alone: float,
    ) -> ScoreScale:
        """What fused maps of several contrasts are measured against.

        Args:
            maps: (X, Y, Z) fused leave-one-out map of each normal, 0 outside.
            scales: of each contrast.
            frame: whose grid the maps are on.
            alone: what the fused map is where one contrast has 1 z and the others have 0.
        """

    def case_score(self, heatmap: NDArray[np.float32], frame: Frame) -> float:
        """Score of a study by its map in z, 0 outside, on the frame's grid."""
