"""The decoder that is shown the support: from a query and its normals to log-odds of abnormality.

A small U-Net over slices. What it sees of the normals is made by `comparison.support_channels`.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d24fad_core.errors import ConfigurationError

# Most voxels are normal: the decoder begins with log-odds of about 5 %.
_FIRST_LOG_ODDS = -3.0
_GROUP = 8


@dataclass(frozen=True)
class SupportDecoderConfig:
    """Architecture of the decoder.

    Attributes:
        channels: input channels a slice.
        widths: feature channels at strides 1, 2, 4 and 8.
    """

    channels: int = 10
    widths: tuple[int, int, int, int] = (16, 32, 64, 96)

    def __post_init__(self) -> None:
        if self.channels < 1 or len(self.widths) != 4 or min(self.widths) < 1:
            raise ConfigurationError(
                f"a decoder with {self.channels} input channels and widths {self.widths} cannot "
                "be built",
                "give at least one channel and four positive widths.",
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain values for a model card."""
        return {**asdict(self), "widths": list(self.widths)}


class SupportDecoder(nn.Module):
    """U-Net over slices.

    Shapes: (B, channels, H, W) to (B, H, W), natural log-odds that a pixel is abnormal; any H, W.
    """

    def __init__(self, config: SupportDecoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or SupportDecoderConfig()
        first, second, third, fourth = self.config.widths
        self.stem = _convolution(self.config.channels, first)
        self.encoders = nn.ModuleList(
            [_Residual(first, second), _Residual(second, third), _Residual(third, fourth)]
        )
        self.decoders = nn.ModuleList(
            [
                _Residual(fourth + third, third),
                _Residual(third + second, second),
                _convolution(second + first, first),
            ]
        )
        self.head = nn.Conv2d(first, 1, 1)
        nn.init.constant_(self.head.bias, _FIRST_LOG_ODDS)  # type: ignore[arg-type]

    def forward(self, slices: Tensor) -> Tensor:
        """Log-odds of each pixel."""
        height, width = slices.shape[-2:]
        features = [self.stem(F.pad(slices, (0, -width % 8, 0, -height % 8)))]
        for encoder in self.encoders:
            features.append(encoder(F.avg_pool2d(features[-1], 2)))
        decoded = features.pop()
        for decoder in self.decoders:
            enlarged = F.interpolate(
                decoded, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            decoded = decoder(torch.cat([enlarged, features.pop()], dim=1))
        log_odds: Tensor = self.head(decoded)[:, 0, :height, :width]
        return log_odds


class TwofoldDecoder(nn.Module):
    """Two decoders of one architecture, for two ways of seeing the normals.

    `in_place` is shown the normals where an affine alignment puts them, `in_shape` the same normals
    deformed into the shape of the study.
    """

    def __init__(self, config: SupportDecoderConfig | None = None) -> None:
        super().__init__()
        self.in_place = SupportDecoder(config)
        self.in_shape = SupportDecoder(config)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), _normalisation(outputs), nn.ReLU()
    )


def _normalisation(channels: int) -> nn.GroupNorm:
    """By each slice's own statistics: those of a batch of other studies would shift log-odds."""
    return nn.GroupNorm(channels // _GROUP if channels % _GROUP == 0 else 1, channels)


class _Residual(nn.Module):
    """Two convolutions; the second adds to the first."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), _normalisation(outputs)
        )

    def forward(self, features: Tensor) -> Tensor:
        first = self.first(features)
        return F.relu(first + self.second(first))
