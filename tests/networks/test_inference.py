"""A network made ready to be run gives the results of the one that was trained."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from d24fad_core.comparison.scoring import default_image_scoring
from d24fad_core.images.image_scorer import ImageScorer, encode_each
from d24fad_core.models.checkpoint import load_checkpoint
from d24fad_core.networks import inference
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
        expected, features = model.encode(images), for_inference(model).encode(images)
    for one, other in zip(
        (*expected.teacher, *expected.student), (*features.teacher, *features.student), strict=True
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


def test_lower_precision_of_the_embedding_hardly_moves_a_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By less than 1e-2 standard deviations of the normals, and by something: with trained weights,
    since random ones amplify rounding."""
    monkeypatch.setattr(inference, "_LARGE", 0)
    model, _ = load_checkpoint()
    images, scoring = alike_images(7), default_image_scoring()
    maps = []
    for precision in (torch.float32, torch.bfloat16):
        ready = for_inference(model, precision)
        support = encode_each(ready, images[:4], scoring.keys)
        scorer = ImageScorer(ready, scoring, support, 128)
        assert len(scorer.scorings) == 2, "the student must take part"
        queries = encode_each(ready, images[4:], scorer.keys)
        maps.append(torch.stack([scorer.maps(query) for query in queries]))
    difference = float((maps[0] - maps[1]).abs().max())
    assert 0.0 < difference < 1e-2


def alike_images(count: int) -> torch.Tensor:
    """The same coarse picture with fine differences, (count, 3, 128, 128) in [0, 1]."""
    torch.manual_seed(1)
    coarse = torch.rand(1, 3, 8, 8)
    fine = torch.rand(count, 3, 32, 32)
    return 0.6 * F.interpolate(coarse, 128, mode="bicubic").clamp(0, 1) + 0.4 * F.interpolate(
        fine, 128, mode="bilinear"
    )


def test_only_large_convolutions_of_the_embedding_lose_precision() -> None:
    for teacher, lowered in (("wide_resnet50_2", True), ("efficientnet_lite0", False)):
        model = small_network(teacher)
        images = torch.rand(2, 3, 128, 128)
        with torch.inference_mode():
            exact = for_inference(model).embed(images)
            lower = for_inference(model, torch.bfloat16).embed(images)
        for one, other in zip(exact[0], lower[0], strict=True):
            assert torch.equal(one, other), "what maps compare stays as it is"
        assert torch.equal(exact[1], lower[1]) is not lowered
