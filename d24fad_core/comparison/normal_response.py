"""What a decoder answers to untouched people, place by place.

Ventricles and the folds of the cortex differ from person to person, white matter hardly does. The
same log-odds therefore mean little at one place and much at another: they are brought to what
they would be at an average place.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

_SMOOTHING_MM = 3.0
_STORED_MM = 4.0
# Few people were measured: none of them may be believed to spread less than this by itself.
_LEAST_SPREAD = 0.5
_FEW_PEOPLE = 0.05


@dataclass(frozen=True, eq=False)
class NormalResponse:
    """Log-odds of untouched people on the grid of a study.

    Attributes:
        mean: (X, Y, Z) their mean at each place.
        spread: (X, Y, Z) their standard deviation.
        average_mean: of an average place.
        average_spread: likewise.
    """

    mean: Tensor
    spread: Tensor
    average_mean: float
    average_spread: float

    def evened(self, log_odds: Tensor) -> Tensor:
        """What log-odds (X, Y, Z) would be at an average place, as surprising as they are here."""
        surprise = (log_odds - self.mean) / (self.spread + _LEAST_SPREAD)
        return self.average_mean + surprise * (self.average_spread + _LEAST_SPREAD)


@dataclass(frozen=True, eq=False)
class ResponseMap:
    """Log-odds of untouched people in MNI space.

    Attributes:
        mean: (X, Y, Z) float32, their mean at each place.
        spread: (X, Y, Z) float32, their standard deviation.
        affine: 4x4 from voxel index to MNI mm.
        average_mean: over the places inside people.
        average_spread: likewise.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    affine: NDArray[np.float64]
    average_mean: float
    average_spread: float

    def on_grid(self, shape: tuple[int, int, int], to_mni: NDArray[np.float64]) -> NormalResponse:
        """Bring it to a study.

        Args:
            shape: of the study.
            to_mni: 4x4 from voxel index of the study to MNI mm.
        """
        matrix = np.linalg.inv(self.affine) @ to_mni

        def resampled(values: NDArray[np.float32]) -> Tensor:
            moved = ndimage.affine_transform(
                values, matrix[:3, :3], matrix[:3, 3], shape, order=1, mode="nearest"
            )
            return torch.from_numpy(moved)

        return NormalResponse(
            resampled(self.mean), resampled(self.spread), self.average_mean, self.average_spread
        )


def measure_response(
    log_odds: Tensor, inside: Tensor, weights: Tensor, affine: NDArray[np.float64]
) -> ResponseMap:
    """Sum up what a decoder answers to untouched people.

    Args:
        log_odds: (N, X, Y, Z) on one grid in MNI space.
        inside: (N, X, Y, Z) bool, the people.
        weights: (N,) how much each counts.
        affine: 4x4 from voxel index to MNI mm.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    each = weights[:, None, None, None] * inside
    count = each.sum(0).numpy()
    average = float((each * log_odds).sum() / each.sum())
    deviation = torch.where(inside, log_odds - average, torch.zeros(()))

    def smoothed(values: Tensor) -> NDArray[np.float64]:
        blurred = ndimage.gaussian_filter(
            values.numpy().astype(np.float64), _SMOOTHING_MM / spacing
        )
        return np.asarray(blurred)

    # Where there is hardly anybody, the average place stands in.
    people = smoothed(each.sum(0)) + _FEW_PEOPLE * float(weights.sum())
    mean = smoothed((each * deviation).sum(0)) / people
    spread = np.sqrt(np.maximum(smoothed((each * deviation**2).sum(0)) / people - mean**2, 0.0))
    occupied = count > 0.5 * float(weights.sum())
    step = np.maximum(np.rint(_STORED_MM / spacing).astype(int), 1)
    return ResponseMap(
        mean=(mean + average)[:: step[0], :: step[1], :: step[2]].astype(np.float32),
        spread=spread[:: step[0], :: step[1], :: step[2]].astype(np.float32),
        affine=affine @ np.diag([*step.astype(np.float64), 1.0]),
        average_mean=float(mean[occupied].mean()) + average,
        average_spread=float(spread[occupied].mean()),
    )
