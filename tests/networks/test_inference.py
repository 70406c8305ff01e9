"""A network made ready to be run gives the results of the one that was trained."""

import pytest
import torch
from torch import nn

from d24fad_core.networks.d24fad import D24FAD, NetworkConfig
from d24fad_core.networks.inference import for_inference
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import TEACHERS, build_teacher


def small_network(teacher: str) -> D24FAD:
    """With statistics as training leaves them: no normalisation is the identity."""
    torch.manual_seed(0)
    config = NetworkConfig(teacher=teacher, student=StudentConfig((1, 2, 1), (16, 16, 16)))
    model = D24FAD(config, build_teacher(teacher, pretrained=False))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2.0)
    return model.eval()


@pytest.mark.parametrize(
    ("teacher", "size"),
    # At 192 pixels the deepest features have too many positions for the matrix product.
    [*((teacher, 64) for teacher in sorted(TEACHERS)), ("resnet18", 192)],
)
def test_features_are_those_of_the_model(teacher: str, size: int) -> None:
    model = small_network(teacher)
    images = torch.rand(2, 3, size, size)
    with torch.inference_mode():
        expected, found = model.encode(images), for_inference(model).encode(images)
    for one, other in zip(
        (*expected.teacher, *expected.student), (*found.teacher, *found.student), strict=True
    ):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4 * float(one.abs().max()))


@pytest.mark.parametrize("teacher", ["efficientnet_lite0", "resnet18"])
def test_no_normalisation_is_left_and_the_model_keeps_its_own(teacher: str) -> None:
    model = small_network(teacher)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ready = for_inference(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
    assert model.state_dict().keys() == before.keys()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert any(parameter.requires_grad for parameter in model.student.parameters())
