import json
from typing import Any

import pytest

from d24fad_core.errors import ConfigurationError
from d24fad_core.training.config import PAPER_TRAINING, PRESETS, TrainingConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_size", 100),
        ("image_size", 0),
        ("epochs", 0),
        ("steps", 0),
        ("queries", 0),
        ("shots", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("tsd_warm_up", -0.1),
        ("tsd_warm_up", 1.5),
        ("tsd_warm_up", float("nan")),
    ],
)
def test_values_that_cannot_train_are_named(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=str(value)):
        TrainingConfig(**{field: value})


def test_a_configuration_can_be_written_as_json() -> None:
    for preset in PRESETS.values():
        values = json.loads(json.dumps(preset.to_dict()))
        assert values["network"]["teacher"] == preset.network.teacher
        assert values["seed"] == preset.seed


def test_the_paper_preset_is_the_published_training() -> None:
    paper = PAPER_TRAINING
    assert (paper.network.teacher, paper.network.weighting) == ("wide_resnet50_2", "image")
    assert (paper.image_size, paper.epochs, paper.queries) == (128, 70, 16)
    assert (paper.learning_rate, paper.betas, paper.one_cycle) == (1e-4, (0.5, 0.999), False)
    assert (paper.ssd_weight, paper.tsd_weight) == (1.0, 0.1)
    assert not paper.stop_gradient and not paper.per_position
    assert not paper.network.normalise_input and not paper.network.normalised_logits
    assert paper.tsd_warm_up == 0.0 and not paper.horizontal_flip
