"""Networks with the real teacher and a student that has learnt nothing."""

import torch

from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import build_teacher


def untrained_network(seed: int = 0) -> D24FAD:
    """A small network, in eval mode."""
    torch.manual_seed(seed)
    config = NetworkConfig(student=StudentConfig(blocks=(1, 1, 1), widths=(16, 16, 16)))
    return D24FAD(config, build_teacher(config.teacher)).eval().requires_grad_(False)
