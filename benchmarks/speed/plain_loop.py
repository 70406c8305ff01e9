"""The published evaluation as it is described: every support encoded again for every batch."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.maps import paper_anomaly_map


def plain_scores(model: D24FAD, queries: Tensor, support: Tensor) -> Tensor:
    """Scores of a batch of images, (B,), by (K + 1) passes of the whole batch.

    The blur stays within each image here, as in the project's own scores; the published one, which
    also runs across the batch, costs no less.

    Args:
        model: the network, in eval mode.
        queries: (B, 3, N, N).
        support: (K, 3, N, N).
    """
    repeated = support[:, None].expand(-1, len(queries), -1, -1, -1).contiguous()
    with torch.no_grad():
        encoded, weighted = model(queries, repeated)
        maps = paper_anomaly_map(encoded.student, weighted.features, queries.shape[-1])
    blurred = [ndimage.gaussian_filter(one, sigma=4.0) for one in maps.numpy()]
    return torch.from_numpy(np.stack(blurred).max(axis=(1, 2)))
