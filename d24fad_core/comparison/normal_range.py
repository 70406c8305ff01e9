"""A floor under the decoder: what is brighter or darker than anything in the normals around it.

The decoder may not know a contrast or a lesion; a voxel that leaves the range of all normals
nearby is abnormal all the same (Meissen et al. 2021 warn that brightness alone finds lesions on
FLAIR, so that no map may rank them lower).
"""

import torch
from torch import Tensor

from d24fad_core.comparison.cubes import cube_maxima, cube_means, cube_opening

_REACH = 3
# Brains end at other heights, and masks at other voxels: what few normals hold says nothing.
_HELD_BY = 0.5
_THINNEST = 3
# Shares of the brightest tissue. From this much on a change can be seen; the decoder is taught
# labels from the same change on.
_VISIBLE = 0.1
_LOG_ODDS_EACH = 0.05


def beyond_normals(query: Tensor, normals: Tensor, inside: Tensor) -> Tensor:
    """How far a query leaves the range of its normals.

    Args:
        query: (X, Y, Z) in the normals' units, see `NormalStack.fitted`.
        normals: (K, X, Y, Z).
        inside: (X, Y, Z) bool.

    Returns:
        (X, Y, Z), in shares of the brightest tissue: the distance of the query, slightly blurred,
        from the lowest or highest value that any normal has within three voxels; 0 inside that
        range, outside the query, where less than half of the normals show anything, and in places
        thinner than three voxels.
    """
    width = 2 * _REACH + 1
    highest = cube_maxima(normals.amax(0), width)
    lowest = -cube_maxima(-normals.amin(0), width)
    overlap = (normals > 0).float().mean(0) >= _HELD_BY

    def distance(values: Tensor) -> Tensor:
        away = torch.maximum(values - highest, lowest - values).clamp_min(0.0)
        return away * (inside & overlap)

    broad = cube_opening((distance(query) > _VISIBLE / 2.0).float(), _THINNEST) > 0
    return distance((query + cube_means(query, 3)) / 2.0) * broad


def with_floor(
    log_odds: Tensor, query: Tensor, normals: Tensor, inside: Tensor, threshold: float
) -> Tensor:
    """Log-odds that are never below what leaving the normals' range alone is worth.

    A voxel that leaves the range by what can be seen is at the decoder's threshold, and rises by
    one for each further twentieth of the brightest tissue.

    Args:
        log_odds: (X, Y, Z) of the decoder.
        query: see `beyond_normals`.
        normals: likewise.
        inside: likewise.
        threshold: the decoder's, in log-odds.
    """
    beyond = beyond_normals(query, normals, inside)
    floor = threshold + (beyond - _VISIBLE) / _LOG_ODDS_EACH
    return torch.where(beyond > 0, torch.maximum(log_odds, floor), log_odds)
