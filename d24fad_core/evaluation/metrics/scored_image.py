"""An anomaly map beside the truth."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.regions import label_regions


@dataclass(frozen=True, eq=False)
class ScoredImage:
    """An image or volume with its anomaly map and the truth.

    Attributes:
        scores: anomaly map, (H, W) or (X, Y, Z); higher is more abnormal.
        truth: True inside lesions, same shape.
        considered: True where pixels count, such as the foreground, and in every lesion; None
            counts all. See `from_heatmap`.
    """

    scores: NDArray[np.float32]
    truth: NDArray[np.bool_]
    considered: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.scores.ndim not in (2, 3):
            raise InputError(
                f"a map of shape {self.scores.shape} is no image",
                "give (H, W) or (X, Y, Z).",
            )
        for part, name in ((self.truth, "lesion mask"), (self.considered, "mask of what counts")):
            if part is not None and part.shape != self.scores.shape:
                raise InputError(
                    f"the {name} has shape {part.shape}, the map {self.scores.shape}; both need "
                    "one grid.",
                    "Resample one of them to the grid of the other.",
                )
        if self.considered is not None and (self.truth & ~self.considered).any():
            raise InputError(
                "lesion pixels lie outside of what counts and would be forgotten",
                "count them too, with the lowest score.",
            )
        if not np.isfinite(self.counted_scores).all():
            raise InputError("a map has values that are not finite", "compute it again.")

    @classmethod
    def from_heatmap(cls, heatmap: NDArray[np.float32], truth: NDArray[np.bool_]) -> "ScoredImage":
        """From a detector's heatmap, which is exactly 0 outside the foreground.

        Lesion voxels outside it were not analysed; they count as missed, at the lowest score.
        """
        inside = heatmap != 0
        return cls(np.where(inside, heatmap, heatmap.min()), truth, inside | truth)

    @property
    def counted_scores(self) -> NDArray[np.float32]:
        """Scores of the pixels that count, (P,)."""
        return self.scores.ravel() if self.considered is None else self.scores[self.considered]

    @property
    def counted_truth(self) -> NDArray[np.bool_]:
        """Truth of the pixels that count, (P,)."""
        return self.truth.ravel() if self.considered is None else self.truth[self.considered]

    @cached_property
    def regions(self) -> tuple[NDArray[np.float32], ...]:
        """Scores of each lesion: a connected region of the truth.

        Pixels that share an edge or a corner (8 neighbours in 2-D, 26 in 3-D) are of one lesion,
        as in `d24fad_core.regions`.
        """
        labels = label_regions(self.truth)
        inside = labels > 0
        order = np.argsort(labels[inside], kind="stable")
        sizes = np.bincount(labels[inside])[1:]
        parts: list[NDArray[np.float32]] = np.split(
            self.scores[inside][order], np.cumsum(sizes)[:-1]
        )
        return tuple(parts) if len(sizes) else ()
