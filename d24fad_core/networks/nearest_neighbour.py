"""The search for the nearest neighbour of each feature in a window of other images."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

_CACHED = 1 << 20
"""Products that are made at once: fewer, and threads wait for each other too often."""

_COLUMNS = 16
"""Columns that are asked for at once: fewer products outside the window, more matrix products."""

_HIDDEN = -2.0
"""Added to what lies outside the window: no cosine is below -1, so it never wins."""


def nearest_similarity(query: Tensor, support: Tensor, radius: int | None) -> Tensor:
    """Highest cosine similarity within a search window, per support image; differentiable.

    Args:
        query: (B, C, H, W).
        support: (B, K, C, H, W), or (1, K, C, H, W) shared by the batch.
        radius: half-width of the window in feature positions; None searches the whole image.

    Returns:
        (B, K, H, W).
    """
    query, support = F.normalize(query, dim=1), F.normalize(support, dim=2)
    batch, _, height, width = query.shape
    shots = support.shape[1]
    candidates = support.expand(batch, -1, -1, -1, -1)
    if radius is None:
        queries = query.flatten(2).transpose(1, 2)
        products = queries[:, None] @ candidates.flatten(3)
        return products.amax(dim=-1).view(batch, shots, height, width)
    # Row by row one matrix product with all columns, of which the window's are kept: far more
    # arithmetic than needed, and still several times faster than shifting the features about.
    # Rows come first in memory, so that the rows of a step are taken without a copy.
    queries = query.permute(2, 0, 3, 1).contiguous()
    keys = candidates.permute(3, 0, 2, 1, 4).flatten(3)
    hidden = _outside(width, radius, query.dtype, query.device)[:, None, :]
    best = queries.new_full((height, batch, width, shots), -1.0)
    for step in _steps(height, radius):
        products = queries[_overlap(height, -step)] @ keys[_overlap(height, step)]
        products = products.view(*products.shape[:3], shots, width) + hidden
        edges = (0, 0, 0, 0, 0, 0, max(-step, 0), max(step, 0))
        best = torch.maximum(best, F.pad(products.amax(dim=-1), edges, value=-1.0))
    return best.permute(1, 3, 0, 2)


def highest_similarity(query: Tensor, candidates: Tensor, radius: int | None) -> Tensor:
    """The same search for inference, where what wins in any of several slices of a study counts.

    Rows come first in memory and slices are taken by as many as the processor's caches hold: three
    to four times as fast as `nearest_similarity`.

    Args:
        query: (H, B, W, C), of length 1 at each position.
        candidates: (H, B, K, J, W, C), J slices of each of K studies for each of B slices.
        radius: half-width of the window in feature positions; None searches the whole slice.

    Returns:
        (B, K, H, W).
    """
    if radius is None:
        return _highest_anywhere(query, candidates)
    height, batch, width, _ = query.shape
    shots, slices = candidates.shape[2:4]
    seen = min(width, _COLUMNS + 2 * radius)
    size = max(1, _CACHED // (height * width * shots * slices * seen))
    parts = [
        _highest(query[:, first : first + size], candidates[:, first : first + size], radius)
        for first in range(0, batch, size)
    ]
    return torch.cat(parts)


def _highest_anywhere(query: Tensor, candidates: Tensor) -> Tensor:
    height, batch, width, channels = query.shape
    shots = candidates.shape[2]
    # One axis after the other: over two that lie apart, `amax` goes value by value.
    every = [
        (candidates[:, one].reshape(-1, channels) @ query[:, one].reshape(-1, channels).T)
        .view(height, shots, -1, height * width)
        .amax(dim=0)
        .amax(dim=1)
        for one in range(batch)
    ]
    return torch.stack(every).view(batch, shots, height, width)


def _highest(query: Tensor, candidates: Tensor, radius: int) -> Tensor:
    height, batch, width, channels = query.shape
    shots, slices = candidates.shape[2:4]
    queries = query.reshape(height * batch, width, channels).transpose(1, 2)
    hidden = _outside(width, radius, query.dtype, query.device)
    maxima = []
    for first in range(0, width, _COLUMNS):
        last = min(width, first + _COLUMNS)
        seen = slice(max(0, first - radius), min(width, last + radius))
        # Copied at most once here, and not for each step by the matrix product.
        keys = candidates[:, :, :, :, seen].reshape(height * batch, -1, channels)
        here = queries[:, :, first:last].contiguous()
        parts = (shots, slices, seen.stop - seen.start, last - first)
        # What the window hides of the columns is the same at each step, so it can wait.
        best = _products(keys, here, parts)
        for step in _steps(height, radius):
            if step:
                above, below = _overlap(height, step, batch), _overlap(height, -step, batch)
                products = _products(keys[above], here[below], parts)
                torch.maximum(best[below], products, out=best[below])
        maxima.append(best.add_(hidden[seen, first:last]).amax(dim=2))
    return torch.cat(maxima, dim=2).view(height, batch, shots, width).permute(1, 2, 0, 3)


def _products(keys: Tensor, queries: Tensor, parts: tuple[int, int, int, int]) -> Tensor:
    """The highest over the slices of each study, (N, K, columns seen, columns asked for)."""
    return (keys @ queries).view(-1, *parts).amax(dim=2)


@lru_cache(maxsize=64)
def _outside(width: int, radius: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(W, W): what to add to the similarity of the columns of one image to those of another."""
    # Kept for training too, which cannot use tensors of inference mode.
    with torch.inference_mode(False):
        columns = torch.arange(width, device=device)
        outside = (columns[:, None] - columns).abs() > radius
        return torch.where(outside, _HIDDEN, 0.0).to(dtype)


def _steps(height: int, radius: int) -> range:
    reach = min(radius, height - 1)
    return range(-reach, reach + 1)


def _overlap(length: int, step: int, entries: int = 1) -> slice:
    """The part of an axis that a partner `step` positions away can see, `entries` a position."""
    return slice(max(step, 0) * entries, (length + min(step, 0)) * entries)
