"""EfficientNet-Lite0 down to stride 32, and its shipped ImageNet weights.

timm has this network too, as `tf_efficientnet_lite0`, and parameters bear its names here. But timm
needs torchvision, whose every build fits one build of PyTorch alone, and importing the two took
longer than the analysis of a study whose support is kept. The features are timm's, bit by bit
(tests/networks/test_efficientnet_lite0.py).
"""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from d24fad_core.errors import CheckpointError
from d24fad_core.files import hash_file
from d24fad_core.safetensors_file import read_safetensors

SHIPPED_WEIGHTS = Path(__file__).with_name("weights") / "efficientnet_lite0.safetensors"
"""From ImageNet, float32; NOTICE beside it says where they come from."""

SHIPPED_SHA256 = "a87498c85a5f2a10f5e413db27a0cb66e145bb450397a5f501bec36142b2d22a"

_STEM_CHANNELS = 32
# Kernel, stride, expansion, channels and blocks of each stage (Tan and Le 2019, table 1).
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_FEATURE_STAGES = (1, 2, 4, 6)
"""Last stage of each stride: 4, 8, 16 and 32."""
_EPSILON = 1e-3


class EfficientNetLite0(nn.Module):
    """The network without its head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _convolution(3, _STEM_CHANNELS, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(_STEM_CHANNELS, _EPSILON)
        self.act = nn.ReLU6(inplace=True)
        channels = _STEM_CHANNELS
        stages = []
        for kernel, stride, expansion, width, count in _STAGES:
            blocks: list[nn.Module] = []
            for number in range(count):
                step = stride if number == 0 else 1
                if expansion == 1:
                    blocks.append(_SeparableBlock(channels, width, kernel))
                else:
                    blocks.append(_InvertedBlock(channels, width, kernel, step, expansion))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)

    def forward(self, images: Tensor, deepest: int = len(_FEATURE_STAGES)) -> list[Tensor]:
        """Features of an image.

        Args:
            images: (B, 3, H, W), normalised.
            deepest: how many of the four features to compute, finest first.

        Returns:
            (B, 24, H/4, W/4), (B, 40, H/8, W/8), (B, 112, H/16, W/16), (B, 320, H/32, W/32), or
            the first of them.
        """
        hidden = self.act(self.bn1(self.conv_stem(images)))
        features = []
        for number, stage in enumerate(self.blocks):
            hidden = stage(hidden)
            if number in _FEATURE_STAGES:
                features.append(hidden)
                if len(features) == deepest:
                    break
        return features


class _SeparableBlock(nn.Module):
    """A convolution a channel, then one across channels."""

    def __init__(self, channels: int, width: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = _convolution(channels, channels, kernel, groups=channels)
        self.bn1 = nn.BatchNorm2d(channels, _EPSILON)
        self.act = nn.ReLU6(inplace=True)
        self.conv_pw = _convolution(channels, width, 1)
        self.bn2 = nn.BatchNorm2d(width, _EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.act(self.bn1(self.conv_dw(features)))
        result: Tensor = self.bn2(self.conv_pw(hidden))
        return result


class _InvertedBlock(nn.Module):
    """Channels expanded, convolved one by one and projected; added to the input where it fits."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.conv_pw = _convolution(channels, inner, 1)
        self.bn1 = nn.BatchNorm2d(inner, _EPSILON)
        self.conv_dw = _convolution(inner, inner, kernel, stride, groups=inner)
        self.bn2 = nn.BatchNorm2d(inner, _EPSILON)
        self.act = nn.ReLU6(inplace=True)
        self.conv_pwl = _convolution(inner, width, 1)
        self.bn3 = nn.BatchNorm2d(width, _EPSILON)
        self.adds_input = stride == 1 and channels == width

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.act(self.bn1(self.conv_pw(features)))
        hidden = self.act(self.bn2(self.conv_dw(hidden)))
        result: Tensor = self.bn3(self.conv_pwl(hidden))
        return result + features if self.adds_input else result


class _TensorFlowConvolution(nn.Conv2d):
    """A convolution with a stride, padded as TensorFlow does: the odd row and column come last."""

    def forward(self, features: Tensor) -> Tensor:
        padding: list[int] = []
        for axis in (1, 0):
            length, kernel, stride = (
                features.shape[2 + axis],
                self.kernel_size[axis],
                self.stride[axis],
            )
            whole = max((-(-length // stride) - 1) * stride + kernel - length, 0)
            padding += [whole // 2, whole - whole // 2]
        return super().forward(F.pad(features, padding))


def _convolution(
    channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    if stride > 1:
        return _TensorFlowConvolution(channels, width, kernel, stride, groups=groups, bias=False)
    return nn.Conv2d(channels, width, kernel, padding=kernel // 2, groups=groups, bias=False)


def shipped_weights() -> dict[str, Tensor]:
    """The shipped weights by the names of `EfficientNetLite0`.

    Raises:
        CheckpointError: the file is absent, damaged or another one.
    """
    remedy = "install d24fad again, or give a file with --teacher-weights"
    try:
        if hash_file(SHIPPED_WEIGHTS) == SHIPPED_SHA256:
            return read_safetensors(SHIPPED_WEIGHTS, remedy)
        reason = "SHA-256 differs"
    except OSError as error:
        reason = str(error)
    raise CheckpointError(
        f"{SHIPPED_WEIGHTS} is not the file that comes with this library ({reason})",
        f"{remedy}.",
    )
