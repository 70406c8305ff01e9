from pathlib import Path

import pytest

from d24fad_core.models.checkpoint import ModelCard, save_checkpoint
from tests.evaluation.networks import untrained_network


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with the default teacher and a small student that has learnt nothing."""
    model = untrained_network()
    folder = tmp_path_factory.mktemp("untrained")
    save_checkpoint(model, ModelCard("untrained", model.config, image_size=64), folder)
    return folder
