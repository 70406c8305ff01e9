"""A network made ready to be run: the same results in fewer passes over memory."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.hooks import RemovableHandle

from d24fad_core.networks.d24fad import D24FAD

_PROBE_SIZE = 64
_DEEPEST_STRIDE = 32
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_FEW_POSITIONS = 16
"""Output positions up to which a convolution is faster as one matrix product. Measured on CPU."""


def for_inference(model: D24FAD) -> D24FAD:
    """A copy whose batch normalisations are part of the convolutions before them.

    In eval mode a batch normalisation is a factor and an offset per channel, which the weights of
    the convolution take in. Weights lie channels-last in memory, as CPU and GPU kernels want them.
    Convolutions at the deepest stride, many channels at a few positions, become matrix products on
    the CPU. Results differ by rounding alone.

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
    for name, convolution in _deepest_convolutions(ready):
        ready.set_submodule(name, _FewPositionsConvolution(convolution))
    return ready.to(memory_format=torch.channels_last)


class _FewPositionsConvolution(nn.Module):
    """A convolution that is a matrix product where it has few positions.

    Kernels for convolutions divide their work by position; with 4 x 4 of them and a thousand
    channels they reach a third of the processor's arithmetic.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, features: Tensor) -> Tensor:
        conv = self.convolution
        (tall, wide), (down, across) = conv.kernel_size, conv.stride
        (above, beside) = (int(length) for length in conv.padding)
        batch, channels, height, width = features.shape
        height, width = height + 2 * above, width + 2 * beside
        rows, columns = (height - tall) // down + 1, (width - wide) // across + 1
        if rows * columns > _FEW_POSITIONS or features.device.type != "cpu":
            output: Tensor = conv(features)
            return output
        padded = F.pad(features.permute(0, 2, 3, 1), (0, 0, beside, beside, above, above))
        padded = padded.contiguous()
        image, row, column, channel = padded.stride()
        patches = padded.as_strided(
            (batch, rows, columns, tall, wide, channels),
            (image, row * down, column * across, row, column, channel),
        ).reshape(batch * rows * columns, -1)
        # Of weights that lie channels-last this is a view.
        weight = conv.weight.permute(0, 2, 3, 1).reshape(conv.out_channels, -1).T
        bias = conv.bias if conv.bias is not None else features.new_zeros(())
        products = torch.addmm(bias, patches, weight)
        return products.view(batch, rows, columns, -1).permute(0, 3, 1, 2)


def _deepest_convolutions(model: D24FAD) -> list[tuple[str, nn.Conv2d]]:
    """Dense convolutions whose output lies at the deepest stride."""
    found: dict[str, nn.Conv2d] = {}
    most = (_PROBE_SIZE // _DEEPEST_STRIDE) ** 2

    def remember(name: str) -> Callable[..., None]:
        def hook(module: nn.Conv2d, _inputs: Any, output: Tensor) -> None:
            if output.shape[2:].numel() <= most:
                found[name] = module

        return hook

    hooks = [
        module.register_forward_hook(remember(name))
        for name, module in model.named_modules()
        if type(module) is nn.Conv2d  # subclasses pad in ways of their own
        and module.groups == 1
        and module.dilation == (1, 1)
        and not isinstance(module.padding, str)
    ]
    _probe(model, hooks)
    return list(found.items())


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
    _probe(model, hooks)
    return pairs


def _probe(model: D24FAD, hooks: Sequence[RemovableHandle]) -> None:
    """Run a small image through for what the hooks see, and take them off again."""
    with torch.inference_mode():
        model.encode(torch.zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE, device=model.mean.device))
    for hook in hooks:
        hook.remove()


def _what_follows(normalisation: nn.Module) -> nn.Module:
    """What remains of a batch normalisation: timm's brings its activation along."""
    activation = getattr(normalisation, "act", None)
    return activation if isinstance(activation, nn.Module) else nn.Identity()
