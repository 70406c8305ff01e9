"""The published anomaly map, from features that were computed once for all draws of supports."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from d24fad_core.comparison.features import StudyFeatures
from d24fad_core.errors import ConfigurationError
from d24fad_core.images.paper_scorer import BLUR
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.maps import paper_anomaly_map
from d24fad_core.networks.weighting import ImageWeighting


@dataclass(frozen=True)
class PaperMap:
    """The published anomaly map: one learnt weight per support image (paper, section 3.4).

    Attributes:
        blur: Gaussian sigma in image pixels.
    """

    blur: float = BLUR


class PaperMaps:
    """Makes the published maps with one support set; `images.paper_scorer` starts from pixels.

    Args:
        model: the network.
        recipe: choices.
        support: features of each support image.
        image_size: N.

    Raises:
        ConfigurationError: the network weighs positions.
    """

    def __init__(
        self, model: D24FAD, recipe: PaperMap, support: Sequence[StudyFeatures], image_size: int
    ) -> None:
        if not isinstance(model.weighting, ImageWeighting):
            raise ConfigurationError(
                "the published map needs a student trained with one weight per support image",
                "give --preset paper.",
            )
        self._weighting, self._blur, self._image_size = model.weighting, recipe.blur, image_size
        stacked = tuple(
            torch.cat([image.slices.student[scale].float() for image in support])
            for scale in range(3)
        )
        with torch.inference_mode():
            self._support = model.weighting.prepare(stacked)

    def raw(self, image: StudyFeatures) -> Tensor:
        """Map of one image, (N, N), before the blur."""
        query = tuple(image.slices.student[scale].float() for scale in range(3))
        with torch.inference_mode():
            weighted = self._weighting.weigh(query, self._support)
            return paper_anomaly_map(query, weighted.features, self._image_size)[0]

    def finished(self, raw: Tensor) -> Tensor:
        """The anomaly map, (N, N)."""
        return blurred(raw, self._blur)

    def score(self, image: StudyFeatures) -> float:
        """Score of one image: the highest value of its map."""
        return float(self.finished(self.raw(image)).max())


def blurred(raw: Tensor, sigma: float) -> Tensor:
    """A map, (N, N), blurred by itself."""
    return torch.from_numpy(np.ascontiguousarray(ndimage.gaussian_filter(raw.numpy(), sigma)))
