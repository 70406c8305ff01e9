"""Scores of single images as the paper makes them, with the support encoded once."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from d24fad_core.errors import ConfigurationError
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.inference import for_inference, with_folded_normalisations
from d24fad_core.networks.maps import paper_anomaly_map
from d24fad_core.networks.weighting import ImageWeighting

BLUR = 4.0
"""Gaussian sigma of the map in pixels (paper, section 3.4)."""


class PaperScorer:
    """The published score, independent of the batch that an image comes in.

    One pass of the network an image, however many supports there are. Unlike the published
    evaluation, whose blur also runs across the images of a batch, every image is blurred by itself.

    Args:
        model: a network that weighs images (`networks.d24fad.PAPER`).
        support: (K, 3, N, N) normal images in [0, 1].
        precision: what the network computes in; scores move by about 1e-2 in bfloat16, which is
            several times as fast on processors with matrix units for it.

    Raises:
        ConfigurationError: the network weighs positions.
    """

    def __init__(
        self, model: D24FAD, support: Tensor, precision: torch.dtype = torch.float32
    ) -> None:
        if not isinstance(model.weighting, ImageWeighting):
            raise ConfigurationError(
                "this network weighs positions, not images, so the paper's score is not defined "
                "for it",
                "score with ImageScorer, or build it with weighting 'image'.",
            )
        ready = for_inference if precision is torch.float32 else with_folded_normalisations
        self._model = ready(model)
        self._weighting = model.weighting
        self._precision = precision
        with torch.inference_mode():
            self._support = self._weighting.prepare(self._student_features(support))

    def maps(self, images: Tensor) -> Tensor:
        """Anomaly maps, (B, N, N), of images (B, 3, N, N) in [0, 1]."""
        with torch.inference_mode():
            features = self._student_features(images)
            weighted = self._weighting.weigh(features, self._support)
            raw = paper_anomaly_map(features, weighted.features, images.shape[-1])
        blurred = ndimage.gaussian_filter(raw.cpu().numpy(), (0.0, BLUR, BLUR))
        return torch.from_numpy(np.ascontiguousarray(blurred))

    def scores(self, images: Tensor) -> Tensor:
        """Score of each image, (B,): the maximum of its map (paper, section 3.4)."""
        return self.maps(images).amax(dim=(1, 2))

    def _student_features(self, images: Tensor) -> tuple[Tensor, ...]:
        device = next(self._model.parameters()).device
        lower = self._precision is not torch.float32
        with torch.autocast(device.type, self._precision, enabled=lower):
            _, embedding = self._model.embed(images.to(device, memory_format=torch.channels_last))
            features = self._model.student(embedding)
        return tuple(scale.float() for scale in features)
