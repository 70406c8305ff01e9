import json
from pathlib import Path

import pytest
import torch

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.errors import CheckpointError
from d24fad_core.models.decoder_checkpoint import DecoderCard, load_decoder, save_decoder
from d24fad_core.networks.support_decoder import SupportDecoderConfig, TwofoldDecoder

SMALL = SupportDecoderConfig(channels=10, widths=(4, 6, 8, 10))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    decoder = TwofoldDecoder(SMALL).eval()
    save_decoder(decoder, DecoderCard("test", SMALL, voxel_mm=2.0, threshold=0.4), tmp_path)
    return tmp_path


def test_what_was_saved_is_loaded(folder: Path) -> None:
    first, card = load_decoder(folder)
    again, _ = load_decoder(folder)
    slices = torch.rand(1, 10, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(first.in_place(slices), again.in_place(slices))
        assert not torch.allclose(first.in_place(slices), first.in_shape(slices))
    assert (card.name, card.voxel_mm, card.threshold, card.network) == ("test", 2.0, 0.4, SMALL)


def test_weights_that_were_changed_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="SHA-256 differs"):
        load_decoder(folder)


@pytest.mark.parametrize("field", ["threshold", "network", "card_version"])
def test_a_card_that_lacks_something_is_refused(folder: Path, field: str) -> None:
    path = folder / "card.json"
    values = json.loads(path.read_text())
    del values[field]
    path.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="card"):
        load_decoder(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train-decoder"):
        load_decoder(tmp_path)


def test_the_shipped_decoder_says_what_it_is() -> None:
    decoder, card = load_decoder()
    assert not any(parameter.requires_grad for parameter in decoder.parameters())
    assert card.notice == RESEARCH_USE_ONLY
    assert card.licence == "Apache-2.0"
