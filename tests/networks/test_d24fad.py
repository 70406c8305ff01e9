import json

import pytest
import torch

from d24fad_core.errors import ConfigurationError
from d24fad_core.networks.d24fad import D24FAD, PAPER, NetworkConfig
from d24fad_core.networks.student import StudentConfig
from d24fad_core.networks.teacher import build_teacher
from d24fad_core.training.losses import self_distillation_loss, teacher_student_loss

SMALL = StudentConfig(blocks=(1, 1, 1), widths=(16, 16, 16))
IMAGE = NetworkConfig("resnet18", SMALL, weighting="image", normalise_input=False)


def network(config: NetworkConfig) -> D24FAD:
    torch.manual_seed(0)
    return D24FAD(config, build_teacher(config.teacher, pretrained=False))


NORMALISED = NetworkConfig("resnet18", SMALL, weighting="image", normalised_logits=True)


@pytest.mark.parametrize("config", [NetworkConfig(), IMAGE, PAPER, NORMALISED])
def test_the_configuration_survives_a_model_card(config: NetworkConfig) -> None:
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_card_from_before_there_was_a_choice_has_published_logits() -> None:
    values = IMAGE.to_dict()
    del values["normalised_logits"]
    assert NetworkConfig.from_dict(values) == IMAGE


def test_logits_are_normalised_where_the_network_asks_for_it() -> None:
    assert network(NORMALISED).weighting.normalised_logits
    assert not network(IMAGE).weighting.normalised_logits


@pytest.mark.parametrize("changed", [{"teacher": "vgg"}, {"weighting": "pixel"}])
def test_unknown_parts_are_named_with_the_choice(changed: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"'(vgg|pixel)'; choose"):
        NetworkConfig(**changed)


def test_the_teacher_stays_frozen_and_in_eval_mode() -> None:
    model = network(IMAGE).train()
    assert model.student.training
    assert not any(module.training for module in model.teacher.modules())
    assert not any(parameter.requires_grad for parameter in model.teacher.parameters())
    before = {name: value.clone() for name, value in model.teacher.state_dict().items()}
    encoded, weighted = model(torch.rand(2, 3, 64, 64), torch.rand(2, 2, 3, 64, 64))
    loss = teacher_student_loss(encoded.student, encoded.teacher)
    loss = loss + self_distillation_loss(encoded.student, weighted.features)
    loss.backward()
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in model.teacher.parameters())
    assert all(p.grad is not None for p in model.student.parameters())


def test_batch_normalisation_sees_query_and_each_support_apart() -> None:
    """Support images in one pass, or together with the query, would share their statistics."""
    model = network(IMAGE).train()
    query, support = torch.rand(3, 3, 64, 64), torch.rand(2, 3, 3, 64, 64)
    encoded, weighted = model(query, support)
    torch.testing.assert_close(encoded.student, network(IMAGE).train().encode(query).student)
    alone = [network(IMAGE).train().encode(images).student for images in support]
    for scale, values in enumerate(weighted.features):
        share = weighted.shares[scale][:, :, None, None, None]
        expected = (share * torch.stack([each[scale] for each in alone], dim=1)).sum(dim=1)
        torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-5)


def test_gradients_reach_the_student_through_the_support() -> None:
    model = network(IMAGE).train()
    # The weight of a single support image is 1, so that nothing comes by way of the weights.
    support = torch.rand(1, 2, 3, 64, 64)
    _, weighted = model(torch.rand(2, 3, 64, 64), support)
    sum(each.sum() for each in weighted.features).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.student.layer1.parameters())


def test_grey_images_are_seen_as_grey_rgb() -> None:
    for normalise in (True, False):
        model = network(NetworkConfig("resnet18", SMALL, normalise_input=normalise)).eval()
        grey = torch.rand(2, 1, 64, 64)
        with torch.inference_mode():
            one = model.encode(grey)
            other = model.encode(grey.expand(-1, 3, -1, -1).contiguous())
        assert all(torch.equal(a, b) for a, b in zip(one.teacher, other.teacher, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(one.student, other.student, strict=True))


def test_input_is_normalised_as_the_teacher_was_trained() -> None:
    model = network(NetworkConfig("resnet18", SMALL, normalise_input=True)).eval()
    image = torch.rand(1, 3, 64, 64)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        expected, _ = model.teacher((image - mean) / std)
        features, _ = model.embed(image)
    torch.testing.assert_close(features, expected)


def test_a_network_that_weighs_positions_has_no_image_weights() -> None:
    model = network(NetworkConfig("resnet18", SMALL))
    with pytest.raises(ConfigurationError, match="weighs positions"):
        model(torch.rand(1, 3, 64, 64), torch.rand(1, 1, 3, 64, 64))


@pytest.mark.parametrize("change", ["one is missing", "one too many"])
def test_trained_parameters_are_loaded_whole_or_not_at_all(change: str) -> None:
    model, other = network(IMAGE), D24FAD(IMAGE, build_teacher("resnet18", pretrained=False))
    state = {n: v for n, v in other.state_dict().items() if not n.startswith("teacher.")}
    name = next(iter(state))
    if change == "one is missing":
        del state[name]
    else:
        state["student.another"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match="student"):
        model.load_trained(state)
