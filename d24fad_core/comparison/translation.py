"""Normals translated into the look of a case from another scanner or sequence.

Such a case differs from its normals everywhere, and more than a lesion does. What differs
everywhere can be learnt from the case itself: a linear map from the normals' features to the case's
features at the same place, fitted over the whole case without the tenth that it explains worst. The
translated normals are what this patient would look like if nothing were wrong. What remains is
measured in units of how far the case is from its translation anyway (Mahalanobis distance), so that
directions that no normal explains count little.

The fit is a few lines of linear algebra here, not scikit-learn's `Ridge` and `ShrunkCovariance`: an
analysis loads no scikit-learn, the penalty goes with each column's own size, and the constant is
free of it.

Every constant was chosen on simulated cases whose acquisition differs from their normals', see
BENCHMARK.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.comparison.scoring import MapKey, MapKind, ScoringConfig
from d24fad_core.errors import ConfigurationError

_RIDGE, _RIDGE_OF_SIZES = 1e-2, 1e-3
_KEPT = 0.9
"""Share of positions that teach the map: lesions should not."""
_REFITS = 2
_SHRINKAGE = 0.1
_RADIUS = 1
"""Half-width of the search window, in feature positions and in slices."""
_SMOOTHING = (0.7, 0.0, 0.5, 0.5)
"""Gaussian sigma of the mean normal: slices, channels, rows, columns."""
_CONTEXT = (1, 2)
"""Scales whose mean normal tells how large a difference to expect at a place."""


def translated_scoring(scoring: ScoringConfig) -> ScoringConfig:
    """The scoring of translated normals: its maps between teacher and support alone.

    Raises:
        ConfigurationError: the scoring has none.
    """
    weights = scoring.fusion.get(MapKind.TEACHER_SUPPORT, (0.0, 0.0, 0.0))
    if not any(weights):
        raise ConfigurationError(
            "this model's scoring does not compare the teacher with the support, so its normals "
            "cannot be translated",
            "leave --translate out, or use the shipped model.",
        )
    return replace(scoring, fusion={MapKind.TEACHER_SUPPORT: weights})


def translated_distances(
    query: StudyFeatures, places: Tensor, supports: Sequence[StudyFeatures], scoring: ScoringConfig
) -> dict[MapKey, Tensor]:
    """Distance of a case to the normals in its own look, a map.

    Args:
        query: features of the case's P slices at `places`.
        places: (P,) their slice numbers in the frame.
        supports: K studies in the same frame, all slices.
        scoring: see `translated_scoring`.

    Returns:
        (P, H, W) a map; what lies outside the foreground has the median.
    """
    means = {scale: _mean_normal(supports, scale) for _, scale in scoring.keys}
    return {
        (kind, scale): _distance(query, places, supports, means, scale)
        for kind, scale in scoring.keys
    }


def _distance(
    query: StudyFeatures,
    places: Tensor,
    supports: Sequence[StudyFeatures],
    means: dict[int, Tensor],
    scale: int,
) -> Tensor:
    query_unit, mean = _unit(query, scale), means[scale]
    size = query_unit.shape[-1]
    inside = F.adaptive_avg_pool2d(query.foreground[:, None].float(), size)[:, 0] > 0.5
    if not inside.any():
        return torch.zeros(inside.shape)
    typical, seen = _rows(mean[places], inside), _rows(query_unit, inside)
    translation, inliers = _trimmed_fit(typical, seen, _RIDGE)
    whitening = _whitening((seen - translation(typical))[inliers])
    white = query_unit.movedim(1, -1) @ whitening
    nearest = [
        _nearest(white, translation(_unit(study, scale).movedim(1, -1)) @ whitening, places)
        for study in supports
    ]
    distance = torch.stack(nearest).mean(dim=0)[inside]
    context = [_resized(means[other], size)[places] for other in _CONTEXT if other in means]
    expected = _expected(_rows(torch.cat(context or [mean[places]], dim=1), inside), distance)
    # Half in logarithms: dividing by all of it makes noise of quiet tissue.
    scaled = distance / expected.sqrt()
    result = torch.full(inside.shape, float(scaled.median()))
    result[inside] = scaled
    return result


@dataclass(frozen=True, eq=False)
class _LinearMap:
    """(C + 1, C') coefficients, the constant last."""

    coefficients: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        weights = self.coefficients.float()
        return values @ weights[:-1] + weights[-1]


def _trimmed_fit(inputs: Tensor, outputs: Tensor, ridge: float) -> tuple[_LinearMap, Tensor]:
    """Ridge regression over the positions that it explains best.

    Args:
        inputs: (N, C).
        outputs: (N, C').
        ridge: penalty, see `_ridge`.

    Returns:
        The map, and which positions taught it, (N,) bool.
    """
    ones = torch.ones(len(inputs), 1, dtype=torch.float64)
    rows, targets = torch.cat([inputs.double(), ones], dim=1), outputs.double()
    inliers = torch.ones(len(rows), dtype=torch.bool)
    solution = _ridge(rows, targets, ridge)
    for _ in range(_REFITS):
        error = (targets - rows @ solution).pow(2).sum(dim=1)
        inliers = error <= error.kthvalue(max(1, int(_KEPT * len(error)))).values
        solution = _ridge(rows[inliers], targets[inliers], ridge)
    return _LinearMap(solution), inliers


def _ridge(rows: Tensor, targets: Tensor, penalty: float) -> Tensor:
    """Penalised in proportion to each column's own size; the constant, the last one, is free."""
    gram = rows.T @ rows
    added = penalty * gram.diagonal().clamp_min(1e-9)
    added[-1] = 0.0
    solution: Tensor = torch.linalg.solve(gram + torch.diag(added), rows.T @ targets)
    return solution


def _whitening(residual: Tensor) -> Tensor:
    """(C, C) what makes the residuals' covariance the identity, shrunk towards equal variances."""
    covariance = residual.T @ residual / len(residual)
    even = covariance.diagonal().mean().clamp_min(1e-9) * torch.eye(len(covariance))
    shrunk = ((1 - _SHRINKAGE) * covariance + _SHRINKAGE * even).double()
    values, vectors = torch.linalg.eigh(shrunk)
    whitening: Tensor = (vectors * values.rsqrt() @ vectors.T).float()
    return whitening


def _nearest(white: Tensor, normal: Tensor, places: Tensor) -> Tensor:
    """(P, H, W) distance of (P, H, W, C) to the nearest of (S, H, W, C) around the same place."""
    size, last = white.shape[1], len(normal) - 1
    best = torch.full(white.shape[:3], float("inf"))
    steps = range(-_RADIUS, _RADIUS + 1)
    positions = torch.arange(size)
    moved = {step: (positions + step).clamp(0, size - 1) for step in steps}
    for through in steps:
        slices = normal[(places + through).clamp(0, last)]
        for down in steps:
            for across in steps:
                shifted = slices[:, moved[down]][:, :, moved[across]]
                best = torch.minimum(best, (white - shifted).pow_(2).sum(dim=-1))
    return best.sqrt()


def _expected(context: Tensor, distances: Tensor) -> Tensor:
    """(N,) how large a distance the tissue at each position lets one expect in this case."""
    logarithms = torch.log(distances + 1e-6)[:, None]
    fitted, _ = _trimmed_fit(context, logarithms, _RIDGE_OF_SIZES)
    return torch.exp(fitted(context)[:, 0])


def _mean_normal(supports: Sequence[StudyFeatures], scale: int) -> Tensor:
    """(S, C, H, W) mean of the normals' features of length 1, smoothed a little."""
    total = sum((_unit(study, scale) for study in supports), torch.zeros(()))
    smooth = ndimage.gaussian_filter((total / len(supports)).numpy(), _SMOOTHING, mode="nearest")
    return torch.from_numpy(np.ascontiguousarray(smooth))


def _unit(study: StudyFeatures, scale: int) -> Tensor:
    return F.normalize(study.slices.teacher[scale].float(), dim=1)


def _resized(features: Tensor, size: int) -> Tensor:
    if features.shape[-1] > size:
        return F.adaptive_avg_pool2d(features, size)
    return F.interpolate(features, size=(size, size), mode="bilinear", align_corners=False)


def _rows(features: Tensor, inside: Tensor) -> Tensor:
    """(N, C) the features of (P, C, H, W) at the N positions inside."""
    return features.movedim(1, -1)[inside]
