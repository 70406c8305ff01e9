"""A network made ready to be run: the same results in fewer passes over memory."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.hooks import RemovableHandle

from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.fast_convolutions import FewPositionsConvolution, WinogradConvolution

_PROBE_SIZE = 64
_DEEPEST_STRIDE = 32
_LARGE = 1 << 20
"""Weights of a convolution that are worth a lower precision."""
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def for_inference(model: D24FAD, embedding_precision: torch.dtype = torch.float32) -> D24FAD:
    """A copy that makes the same features faster; results differ by rounding alone.

    Batch normalisations are folded, see `with_folded_normalisations`. On the CPU, convolutions of
    many channels take forms with less arithmetic, which float32 bears and lower precisions do not.

    Args:
        model: left as it is; the copy shares the parameters that need no change.
        embedding_precision: what the large convolutions at the teacher's deepest stride multiply
            in. Only the student reads them, and no map compares them.

    Returns:
        The copy, in eval mode, on the model's device; it cannot be trained or saved.
    """
    ready = with_folded_normalisations(model)
    if ready.mean.device.type != "cpu":
        return ready
    deepest = _deepest_convolutions(ready)
    for name, convolution in _plain_convolutions(ready):
        lowered = (
            embedding_precision is not torch.float32
            and name in deepest
            and convolution.weight.numel() >= _LARGE
        )
        if WinogradConvolution.is_suited(convolution) and not lowered:
            ready.set_submodule(name, WinogradConvolution(convolution))
        elif name in deepest:
            precision = embedding_precision if lowered else torch.float32
            ready.set_submodule(name, FewPositionsConvolution(convolution, precision))
    return ready


def fast_embedding_precision() -> torch.dtype:
    """What to multiply in where maps may move by less than 1e-2 z: measured, see docs/speed.md.

    bfloat16 on processors with matrix units for it (Intel AMX), four times as fast there; else
    float32.
    """
    # Older versions of PyTorch do not tell.
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.bfloat16 if capabilities.get("amx_bf16") else torch.float32


def with_folded_normalisations(model: D24FAD) -> D24FAD:
    """A copy whose batch normalisations are part of the convolutions before them.

    In eval mode a batch normalisation is a factor and an offset per channel, which the weights of
    the convolution take in. Weights lie channels-last in memory, as CPU and GPU kernels want them.

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
            ready.set_submodule(follower, nn.Identity())
    return ready.to(memory_format=torch.channels_last)


def _plain_convolutions(model: D24FAD) -> list[tuple[str, nn.Conv2d]]:
    """By name; subclasses pad in ways of their own."""
    return [(name, module) for name, module in model.named_modules() if type(module) is nn.Conv2d]


def _deepest_convolutions(model: D24FAD) -> set[str]:
    """Names of dense convolutions whose output lies at the deepest stride."""
    names: set[str] = set()
    most = (_PROBE_SIZE // _DEEPEST_STRIDE) ** 2

    def remember(name: str) -> Callable[..., None]:
        def hook(_module: nn.Conv2d, _inputs: Any, output: Tensor) -> None:
            if output.shape[2:].numel() <= most:
                names.add(name)

        return hook

    hooks = [
        module.register_forward_hook(remember(name))
        for name, module in _plain_convolutions(model)
        if module.groups == 1 and module.dilation == (1, 1) and not isinstance(module.padding, str)
    ]
    _probe(model, hooks)
    return names


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
