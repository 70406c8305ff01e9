"""Teachers: frozen, self-describing, and never with weights that are not theirs."""

import os
import pickle
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor

from d24fad_core.errors import CheckpointError, ConfigurationError
from d24fad_core.files import hash_file
from d24fad_core.models.checkpoint import state_hash
from d24fad_core.networks.teacher import TEACHERS, Teacher, build_teacher

LITE0_HASH = "417a7ce3f07077926a01bfba4737e555b993364d967d065dd9a251770fa31007"


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Weights of a resnet18 in torchvision's layout, with the head that the encoder lacks."""
    torch.manual_seed(1)
    network = torchvision.models.resnet18(weights=None)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)
    return network.state_dict()


def assert_has(teacher: Teacher, state: dict[str, Tensor]) -> None:
    for name, value in teacher.encoder.state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize("name", TEACHERS)
def test_a_teacher_describes_itself(name: str) -> None:
    info = TEACHERS[name]
    assert info.name == name
    assert info.licence and info.source
    assert len(info.channels) == 4
    for stride, centre in zip(info.strides, info.centres, strict=True):
        assert 0 <= centre < stride


@pytest.mark.parametrize("name", TEACHERS)
def test_a_teacher_cannot_be_trained(name: str) -> None:
    teacher = build_teacher(name, pretrained=False).train()
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not torch.nn.Sequential(teacher).train()[0].training


def test_an_unknown_teacher_is_named_with_the_choice() -> None:
    with pytest.raises(ConfigurationError, match="unknown teacher 'vgg'; choose one of wide_res"):
        build_teacher("vgg")


def test_the_lite_teacher_has_the_imagenet_weights() -> None:
    teacher = build_teacher("efficientnet_lite0")
    assert state_hash(teacher) == LITE0_HASH
    # Its norms follow the statistics of trained features, random weights do not.
    variances = [v for n, v in teacher.state_dict().items() if n.endswith("running_var")]
    assert variances and not any((each == 1.0).all() for each in variances)


@pytest.mark.slow
def test_the_lite_teachers_centres_are_where_its_features_look() -> None:
    """Centroid of the squared gradient of random directions in feature space, over the image."""
    teacher = build_teacher("efficientnet_lite0")
    generator = torch.Generator().manual_seed(0)
    pixels = torch.arange(128.0)
    shifts: dict[int, list[float]] = {stride: [] for stride in teacher.info.strides}
    for _ in range(6):
        images = (torch.rand(8, 3, 128, 128, generator=generator) * 2 - 1).requires_grad_()
        features, _ = teacher(images)
        for stride, values in zip(teacher.info.strides, features, strict=True):
            feature = values[:, :, 64 // stride, 64 // stride]
            direction = torch.randn(feature.shape, generator=generator)
            (gradient,) = torch.autograd.grad(
                (feature * direction).sum(), images, retain_graph=True
            )
            sensitivity = gradient.square().sum(dim=(0, 1))
            for axis in range(2):
                profile = sensitivity.sum(dim=axis)
                shifts[stride].append(float((profile * pixels).sum() / profile.sum()) - 64)
    for stride, centre in zip(teacher.info.strides, teacher.info.centres, strict=True):
        assert sum(shifts[stride]) / len(shifts[stride]) == pytest.approx(centre, abs=1.0)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_weights_come_from_a_file(tmp_path: Path, state: dict[str, Tensor], suffix: str) -> None:
    path = tmp_path / f"resnet18{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    assert_has(build_teacher("resnet18", path), state)


def test_the_lite_teacher_takes_a_file_of_its_library(tmp_path: Path) -> None:
    """timm's files know nothing of the module that holds the network here."""
    teacher = build_teacher("efficientnet_lite0")
    named_by_timm = {
        name.removeprefix("network."): value for name, value in teacher.encoder.state_dict().items()
    }
    save_file(named_by_timm, tmp_path / "tf_efficientnet_lite0.safetensors")
    copy = build_teacher("efficientnet_lite0", tmp_path / "tf_efficientnet_lite0.safetensors")
    assert state_hash(copy) == state_hash(teacher)


def test_weights_of_another_network_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "resnet18.pth"
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"'efficientnet_lite0' lack .* parameters"):
        build_teacher("efficientnet_lite0", path)
    with pytest.raises(CheckpointError, match="'resnet50'"):
        build_teacher("resnet50", path)


def test_weights_of_another_shape_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "resnet18.pth"
    torch.save({**state, "conv1.weight": torch.zeros(64, 1, 7, 7)}, path)
    with pytest.raises(
        CheckpointError, match=r"another shape for conv1.weight: \(64, 1, 7, 7\) instead of \(64, 3"
    ):
        build_teacher("resnet18", path)


class Dangerous:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)  # type: ignore[attr-defined]


@pytest.mark.parametrize("through_torch", [True, False])
def test_code_in_a_weights_file_is_not_run(tmp_path: Path, through_torch: bool) -> None:
    dangerous = Dangerous()
    dangerous.path = tmp_path / "was-run"  # type: ignore[attr-defined]
    path = tmp_path / "weights.pth"
    if through_torch:
        torch.save({"conv1.weight": dangerous}, path)
    else:
        path.write_bytes(pickle.dumps(dangerous, protocol=2))
    with pytest.raises(CheckpointError, match="cannot be read"):
        build_teacher("resnet18", path)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_without_weights_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"weights{suffix} cannot be read"):
        build_teacher("resnet18", path)


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {"state_dict": {}}])
def test_a_file_with_something_else_is_named(tmp_path: Path, content: object) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="no plain state dict"):
        build_teacher("resnet18", path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no file .*absent\.pth"):
        build_teacher("resnet18", tmp_path / "absent.pth")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty cache that torch keeps downloads in."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("TORCH_MODEL_ZOO", raising=False)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def name_after(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a file as torchvision would, had it published it as resnet18's ImageNet weights."""
    named = path.with_name(f"resnet18-{hash_file(path)[:8]}.pth")
    path.rename(named)
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.value
    monkeypatch.setattr(weights, "url", f"http://127.0.0.1:1/{named.name}")
    return named


def test_imagenet_weights_come_from_torchs_cache(
    cache: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(state, cache / "new.pth")
    name_after(cache / "new.pth", monkeypatch)
    assert_has(build_teacher("resnet18"), state)


def test_a_damaged_download_is_noticed(
    cache: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(state, cache / "new.pth")
    path = name_after(cache / "new.pth", monkeypatch)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=f"{path.name} is not the file .* delete it"):
        build_teacher("resnet18")


def test_other_weights_under_torchvisions_name_are_not_taken(
    cache: Path, state: dict[str, Tensor]
) -> None:
    url = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url
    torch.save(state, cache / Path(url).name)
    with pytest.raises(CheckpointError, match=r"SHA-256 differs.*--teacher-weights"):
        build_teacher("resnet18")


def test_code_in_torchs_cache_is_not_run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dangerous = Dangerous()
    dangerous.path = cache / "was-run"  # type: ignore[attr-defined]
    torch.save({"conv1.weight": dangerous}, cache / "new.pth")
    name_after(cache / "new.pth", monkeypatch)
    with pytest.raises(CheckpointError, match="cannot be read"):
        build_teacher("resnet18")
    assert not (cache / "was-run").exists()


@pytest.mark.parametrize("name", [name for name in TEACHERS if "resnet" in name])
def test_without_a_network_the_way_out_is_named(
    cache: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].value
    # Nothing listens there.
    monkeypatch.setattr(weights, "url", f"http://127.0.0.1:1/{name}-01234567.pth")
    with pytest.raises(CheckpointError, match=f"'{name}' .*127.0.0.1:1.*--teacher-weights"):
        build_teacher(name)
    assert not any(cache.iterdir())


def test_a_teacher_of_torchvision_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(
        ConfigurationError, match=r"'resnet18' needs torchvision.*pip install 'd24fad\[train\]'"
    ):
        build_teacher("resnet18", pretrained=False)
