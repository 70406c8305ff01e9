"""The student: a decoder that predicts the teacher's features from its deepest embedding."""

from dataclasses import dataclass

from torch import Tensor, nn

from d24fad_core.networks.teacher import Features, TeacherInfo

EXPANSION = 4


@dataclass(frozen=True)
class StudentConfig:
    """Size of the student.

    Attributes:
        blocks: bottleneck blocks at strides 16, 8 and 4 (paper: 3, 4, 6).
        widths: channels of the hidden features at strides 16, 8 and 4; None takes the teacher's,
            as the paper does. With other widths a 1x1 convolution a scale leads to the teacher's
            channels, so that a narrow teacher can have a wide student.
    """

    blocks: tuple[int, int, int] = (3, 4, 6)
    widths: tuple[int, int, int] | None = None


class _Bottleneck(nn.Module):
    """Wide-ResNet bottleneck block; the first of a stage doubles the resolution."""

    def __init__(self, in_channels: int, out_channels: int, upsample: bool) -> None:
        super().__init__()
        # Widths are doubled as in WideResNet50-2: out / expansion * 2.
        width = out_channels // EXPANSION * 2
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2: nn.Module = (
            nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
            if upsample
            else nn.Conv2d(width, width, 3, padding=1, bias=False)
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.upsample = (
            nn.Sequential(
                nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            if upsample
            else None
        )

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.relu(self.bn1(self.conv1(features)))
        hidden = self.relu(self.bn2(self.conv2(hidden)))
        hidden = self.bn3(self.conv3(hidden))
        shortcut = features if self.upsample is None else self.upsample(features)
        output: Tensor = self.relu(hidden + shortcut)
        return output


def _stage(in_channels: int, out_channels: int, blocks: int) -> nn.Sequential:
    first = _Bottleneck(in_channels, out_channels, upsample=True)
    rest = [_Bottleneck(out_channels, out_channels, upsample=False) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


class Student(nn.Module):
    """Decoder of three stages from stride 32 to strides 16, 8 and 4 (paper, section 3.1).

    Args:
        teacher: whose features to predict.
        config: size of the decoder.
    """

    def __init__(self, teacher: TeacherInfo, config: StudentConfig | None = None) -> None:
        super().__init__()
        config = config or StudentConfig()
        channels_4, channels_8, channels_16, embedding = teacher.channels
        targets = (channels_16, channels_8, channels_4)
        widths = config.widths or targets
        inputs = (embedding, *widths[:2])
        self.layer1, self.layer2, self.layer3 = (
            _stage(*sizes) for sizes in zip(inputs, widths, config.blocks, strict=True)
        )
        self.heads = (
            nn.ModuleList(
                nn.Conv2d(width, target, 1) for width, target in zip(widths, targets, strict=True)
            )
            if config.widths
            else None
        )

    def forward(self, embedding: Tensor, finest: int = 0) -> Features:
        """Predict features.

        Args:
            embedding: the teacher's output at stride 32, (B, C, H/32, W/32).
            finest: finest scale that is wanted, 0 for stride 4; work on finer ones is left out.

        Returns:
            Features of the teacher's shapes at strides 4, 8 and 16, without those left out.
        """
        hidden, scales = embedding, []
        stages = (self.layer1, self.layer2, self.layer3)
        for number, stage in enumerate(stages[: len(stages) - finest]):
            hidden = stage(hidden)
            scales.append(hidden if self.heads is None else self.heads[number](hidden))
        return tuple(reversed(scales))
