"""A network made ready to be run: the same results in fewer passes over memory."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from d24fad_core.networks.d24fad import D24FAD

_PROBE_SIZE = 64
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def for_inference(model: D24FAD) -> D24FAD:
    """A copy whose batch normalisations are part of the convolutions before them.

    In eval mode a batch normalisation is a factor and an offset per channel, which the weights of
    the convolution take in. Weights lie channels-last in memory, as CPU and GPU kernels want them.
    Results differ by rounding alone.

    Args:
        model: left as it is; the copy shares the parameters that need no change.

    Returns:
        The copy, in eval mode, on the model's device; it cannot be trained or saved.
    """
    shared = {id(value): value for value in (*model.parameters(), *model.buffers())}
    ready = copy.deepcopy(model, shared).eval()
    for name, follower in _normalised_convolutions(ready):
        convolution, normalisation = ready.get_submodule(name), ready.get_submodule(follower)
        if isinstance(convolution, _CONVOLUTIONS) and isinstance(normalisation, nn.BatchNorm2d):
            transposed = isinstance(convolution, nn.ConvTranspose2d)
            fused = fuse_conv_bn_eval(convolution, normalisation, transposed)
            ready.set_submodule(name, fused.requires_grad_(False))
            ready.set_submodule(follower, _what_follows(normalisation))
    return ready.to(memory_format=torch.channels_last)


def _normalised_convolutions(model: D24FAD) -> list[tuple[str, str]]:
    """Names of each convolution with the batch normalisation that its output goes to.

    Found by running a small image through: the order in which modules are registered says nothing
    certain about the order in which they are used.
    """
    made_by: dict[int, str] = {}
    alive: list[Tensor] = []  # an id is unique only as long as its tensor lives
    pairs: list[tuple[str, str]] = []

    def remember(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            alive.append(output)
            made_by[id(output)] = name

        return hook

    def match(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if id(inputs[0]) in made_by:
                pairs.append((made_by[id(inputs[0])], name))

        return hook

    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, _CONVOLUTIONS):
            hooks.append(module.register_forward_hook(remember(name)))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(match(name)))
    with torch.inference_mode():
        model.encode(torch.zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE, device=model.mean.device))
    for hook in hooks:
        hook.remove()
    return pairs


def _what_follows(normalisation: nn.Module) -> nn.Module:
    """What remains of a batch normalisation: timm's brings its activation along."""
    activation = getattr(normalisation, "act", None)
    return activation if isinstance(activation, nn.Module) else nn.Identity()
