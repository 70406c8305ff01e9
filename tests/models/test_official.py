"""Official checkpoints, imported by name; their numbers are checked in test_parity."""

import pytest
import torch
from torch import Tensor

from d24fad_core.errors import CheckpointError
from d24fad_core.models.official import official_state
from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import build_teacher

SMALL = NetworkConfig(
    "resnet18", StudentConfig(blocks=(1, 1, 1)), weighting="image", normalise_input=False
)


def network(seed: int) -> D24FAD:
    torch.manual_seed(seed)
    return D24FAD(SMALL, build_teacher("resnet18", pretrained=False))


def official_parts(model: D24FAD) -> dict[str, dict[str, Tensor]]:
    """A network's parameters under the names that the official code gives them."""
    weight = {
        f"proj_in{scale + 1}.{name}": value
        for scale, keys in enumerate(model.weighting.keys)
        for name, value in keys.state_dict().items()
    }
    encoder = {**model.teacher.encoder.state_dict(), "fc.weight": torch.zeros(1), "fc.bias": None}
    return {"decoder": dict(model.student.state_dict()), "weight": weight, "encoder": encoder}


def test_an_official_checkpoint_becomes_the_paper_network() -> None:
    source, target = network(1), network(2)
    target.load_state_dict(official_state(**official_parts(source)))
    for name, value in target.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_the_teacher_may_be_left_out() -> None:
    source, target = network(1), network(2)
    parts = official_parts(source)
    state = official_state(parts["decoder"], parts["weight"])
    left_out = target.load_state_dict(state, strict=False)
    assert not left_out.unexpected_keys
    assert all(name.startswith("teacher.") for name in left_out.missing_keys)


@pytest.mark.parametrize("name", ["proj_in4.weight", "proj_in0.bias", "proj_out1.weight", "keys"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match=f"'{name}' is no learn-to-weight parameter"):
        official_state({}, {name: torch.zeros(1)})
