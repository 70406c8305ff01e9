"""The networks and images that are timed."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from d24fad_core.networks.d24fad import D24FAD, PAPER
from d24fad_core.networks.teacher import build_teacher

IMAGE_SIZE = 128
BATCH = 16
_KEY_SCALE = 1e-3
_BRANCH_SCALE = 0.2
_FINENESS = (1.0, 8.0, 2.0, 4.0)
_LITTLE = 0.02


def paper_network() -> D24FAD:
    """The paper's architecture with random weights: speed does not depend on them.

    One pass in training mode sets the statistics of batch normalisation, so that activations stay
    in the range of a trained network. Two things keep float32 rounding from being amplified as no
    trained network does; without them no implementation agrees with its own float64 to 1e-4. Keys
    are small: with logits in the thousands the softmax is one-hot and rounding decides near ties.
    The last normalisation of each residual block has a small weight, as trainings start them
    (Goyal et al. 2017, section 5.1).
    """
    torch.manual_seed(0)
    model = D24FAD(PAPER, build_teacher("wide_resnet50_2", pretrained=False))
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 1.0
            if name.endswith(".bn3"):
                nn.init.constant_(module.weight, _BRANCH_SCALE)
    with torch.no_grad():
        model.encode(images(16, seed=1))
        for key in model.weighting.parameters():
            key.mul_(_KEY_SCALE)
    return model.eval()


def images(count: int, seed: int, *, alike: bool = False) -> Tensor:
    """Noise of several finenesses and contrasts in [0, 1], (count, 3, IMAGE_SIZE, IMAGE_SIZE).

    Args:
        count: how many.
        seed: of the noise.
        alike: all show the same, up to a little noise, as images of one organ do.
    """
    rng = np.random.default_rng(seed)
    pictures = []
    for number in range(1 if alike else count):
        noise = rng.random((3, IMAGE_SIZE, IMAGE_SIZE))
        smooth = ndimage.gaussian_filter(noise, (0, *2 * (_FINENESS[number % len(_FINENESS)],)))
        low, high = np.sort(rng.random(2))
        pictures.append(low + (high - low) * (smooth - smooth.min()) / np.ptp(smooth))
    if alike:
        pictures = [pictures[0] + _LITTLE * rng.random(pictures[0].shape) for _ in range(count)]
    return torch.from_numpy(np.stack(pictures).astype(np.float32)).clamp(0.0, 1.0)
