"""Checkpoints: what was saved comes back, and what does not belong together is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.errors import CheckpointError
from d24fad_core.files import hash_file
from d24fad_core.models.checkpoint import (
    CARD_FILE,
    WEIGHTS_FILE,
    ModelCard,
    checkpoint_hash,
    load_checkpoint,
    read_card,
    save_checkpoint,
    state_hash,
)
from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import build_teacher

CONFIG = NetworkConfig("resnet18", StudentConfig(blocks=(1, 1, 1), widths=(8, 8, 8)))
CARD = ModelCard(
    name="small",
    network=CONFIG,
    image_size=64,
    scoring={"blur": 3.0},
    training={"steps": 5, "data": [{"name": "drawn", "licence": "CC0"}]},
    metrics={"auroc": 0.5},
)


@pytest.fixture(scope="module")
def model() -> D24FAD:
    torch.manual_seed(0)
    model = D24FAD(CONFIG, build_teacher("resnet18", pretrained=False))
    for buffer in model.student.buffers():
        if buffer.is_floating_point():
            buffer.add_(torch.rand(buffer.shape))
    return model.eval()


@pytest.fixture(scope="module")
def teacher_weights(model: D24FAD, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "resnet18.safetensors"
    save_file(dict(model.teacher.encoder.state_dict()), path)
    return path


@pytest.fixture
def folder(model: D24FAD, tmp_path: Path) -> Path:
    save_checkpoint(model, CARD, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def change_card(folder: Path, **changes: object) -> None:
    """Change fields of the card; None takes one away."""
    path = folder / CARD_FILE
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def test_what_was_saved_comes_back(model: D24FAD, folder: Path, teacher_weights: Path) -> None:
    loaded, card = load_checkpoint(folder, teacher_weights)
    expected = model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert not any(module.training for module in loaded.modules())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    images = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        for one, other in zip(
            loaded.encode(images).student, model.encode(images).student, strict=True
        ):
            assert torch.equal(one, other)
    assert replace(card, teacher_hash="", weights_hash="") == CARD
    assert card.notice == RESEARCH_USE_ONLY
    assert card.teacher_hash == state_hash(model.teacher)
    assert card.weights_hash == hash_file(folder / WEIGHTS_FILE)


def test_the_teachers_weights_are_not_stored(folder: Path) -> None:
    assert not any(name.startswith("teacher.") for name in load_file(folder / WEIGHTS_FILE))


def test_saving_returns_the_card_as_written(model: D24FAD, tmp_path: Path) -> None:
    assert save_checkpoint(model, CARD, tmp_path) == read_card(tmp_path)


def test_saving_replaces_a_checkpoint_and_leaves_nothing_else(
    model: D24FAD, folder: Path, teacher_weights: Path
) -> None:
    save_checkpoint(model, replace(CARD, name="second"), folder)
    _, card = load_checkpoint(folder, teacher_weights)
    assert card.name == "second"
    assert sorted(path.name for path in folder.iterdir()) == [CARD_FILE, WEIGHTS_FILE]


def test_what_cannot_be_written_leaves_the_old_checkpoint(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = D24FAD(CONFIG, build_teacher("resnet18", pretrained=False))
    with pytest.raises(TypeError):
        save_checkpoint(other, replace(CARD, metrics={"not JSON": object()}), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*nowhere.*d24fad train"):
        load_checkpoint(tmp_path / "nowhere")


def test_a_card_without_weights(folder: Path, teacher_weights: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(CheckpointError, match=f"no {WEIGHTS_FILE}; copy both"):
        load_checkpoint(folder, teacher_weights)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b'"card"'])
def test_a_damaged_card(folder: Path, content: bytes) -> None:
    (folder / CARD_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{CARD_FILE} is no JSON model card"):
        read_card(folder)


@pytest.mark.parametrize("version", ["0.9", "2.0", 1, None])
def test_a_card_of_another_version(folder: Path, version: object) -> None:
    change_card(folder, card_version=version)
    with pytest.raises(CheckpointError, match=r"card is of version .*install the library version"):
        read_card(folder)


def test_a_card_with_unknown_fields(folder: Path) -> None:
    change_card(folder, colour="green")
    with pytest.raises(CheckpointError, match=r"unknown fields \(colour\)"):
        read_card(folder)


@pytest.mark.parametrize("field", ["name", "network", "image_size"])
def test_a_card_with_a_field_missing(folder: Path, field: str) -> None:
    change_card(folder, **{field: None})
    with pytest.raises(CheckpointError, match=f"model card cannot be read .*'{field}'"):
        read_card(folder)


@pytest.mark.parametrize(
    "network", ["resnet18", {}, {**CONFIG.to_dict(), "teacher": "vgg"}, {"student": None}]
)
def test_a_card_with_an_unknown_network(folder: Path, network: object) -> None:
    change_card(folder, network=network)
    with pytest.raises(CheckpointError, match="model card cannot be read"):
        read_card(folder)


def test_weights_that_are_not_the_cards(folder: Path, teacher_weights: Path) -> None:
    path = folder / WEIGHTS_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"SHA-256 differs"):
        load_checkpoint(folder, teacher_weights)


def test_damaged_weights_whose_hash_nobody_knows(folder: Path, teacher_weights: Path) -> None:
    change_card(folder, weights_hash="")
    path = folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=f"{WEIGHTS_FILE} cannot be read"):
        load_checkpoint(folder, teacher_weights)


def test_another_teacher(folder: Path, model: D24FAD, tmp_path: Path) -> None:
    state = dict(model.teacher.encoder.state_dict())
    state["conv1.weight"] = state["conv1.weight"] + 1e-3
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"'resnet18' has other weights .*--teacher-weights"):
        load_checkpoint(folder, tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weighting": "image"}, "parameters differ"),
        ({"student": {"blocks": [2, 1, 1], "widths": [8, 8, 8]}}, "parameters differ"),
        ({"student": {"blocks": [1, 1, 1], "widths": None}}, "parameters differ"),
        ({"student": {"blocks": [1, 1, 1], "widths": [16, 8, 8]}}, "size mismatch"),
    ],
)
def test_weights_of_another_architecture(
    folder: Path, teacher_weights: Path, changed: dict[str, object], message: str
) -> None:
    change_card(folder, network={**CONFIG.to_dict(), **changed})
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder, teacher_weights)


def test_the_hash_follows_all_that_shapes_a_score() -> None:
    card = replace(CARD, weights_hash="a", teacher_hash="b")
    shaping = {
        "weights": replace(card, weights_hash="c"),
        "teacher": replace(card, teacher_hash="c"),
        "network": replace(card, network=replace(CONFIG, normalise_input=False)),
        "size": replace(card, image_size=128),
        "scoring": replace(card, scoring={"blur": 2.0}),
    }
    hashes = {checkpoint_hash(each) for each in (card, *shaping.values())}
    assert len(hashes) == 1 + len(shaping)
    described = replace(card, name="other", metrics={}, training={}, licence="MIT")
    assert checkpoint_hash(described) == checkpoint_hash(card)


def test_the_hash_of_a_module_is_of_names_and_values() -> None:
    torch.manual_seed(0)
    first = torch.nn.BatchNorm1d(3)
    same = torch.nn.BatchNorm1d(3)
    same.num_batches_tracked.add_(7)
    assert state_hash(same) == state_hash(first)
    same.running_mean[1] += 1e-6
    assert state_hash(same) != state_hash(first)
    assert state_hash(torch.nn.Sequential(first)) != state_hash(first)


@pytest.mark.slow
def test_the_shipped_checkpoint_loads() -> None:
    model, card = load_checkpoint()
    assert card.network.teacher == "efficientnet_lite0"
    assert card.notice == RESEARCH_USE_ONLY
    assert not model.training
