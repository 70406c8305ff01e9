"""Which slices of a support study lie at the same place in the body as a slice of the query."""

import torch
from torch import Tensor

NEIGHBOUR_MM = 2.5
"""Distance of the neighbouring slices that are offered beside the matched one: about the error of
matching by relative position between two heads of different size."""


def matched_slices(
    query_count: int, support_count: int, support_thickness: float, neighbours: bool
) -> Tensor:
    """Indices of support slices for each query slice, by relative position in the foreground.

    Args:
        query_count: foreground slices of the query.
        support_count: foreground slices of the support study.
        support_thickness: distance between the support's slices in mm.
        neighbours: also offer the slices about `NEIGHBOUR_MM` before and after.

    Returns:
        (query_count, 1 or 3) int64.
    """
    places = torch.linspace(0.0, 1.0, query_count) if query_count > 1 else torch.tensor([0.5])
    matched = (places * (support_count - 1)).round().long()[:, None]
    if not neighbours:
        return matched
    step = max(1, round(NEIGHBOUR_MM / support_thickness))
    return (matched + torch.tensor([-step, 0, step])).clamp(0, support_count - 1)
