from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from d24fad_core.comparison.normal_response import NormalResponse
from d24fad_core.errors import CancelledError, CheckpointError, ConfigurationError
from d24fad_core.networks.support_decoder import (
    SupportDecoder,
    SupportDecoderConfig,
    TwofoldDecoder,
)
from d24fad_core.training.decoder.cases import CasePool
from d24fad_core.training.decoder.config import DecoderTraining
from d24fad_core.training.decoder.episodes import draw_batch
from d24fad_core.training.decoder.people import TeachingData
from d24fad_core.training.decoder.response import measure_people
from d24fad_core.training.decoder.threshold import TOLERATED_ML, choose_threshold
from d24fad_core.training.decoder.trainer import decoder_loss, train_decoder
from tests.training.decoder.test_episodes import group_of, person

OPTIONS = DecoderTraining(
    steps=6,
    cases=20,
    episodes=1,
    slices=2,
    save_every=2,
    network=SupportDecoderConfig(widths=(4, 6, 8, 10)),
)


@pytest.fixture(scope="module")
def data() -> TeachingData:
    return TeachingData((group_of(range(7)),), (), {"person": "hash"})


def test_a_stopped_run_ends_as_if_it_had_not_been(data: TeachingData, tmp_path: Path) -> None:
    whole = train_decoder(data, OPTIONS, tmp_path / "whole")

    def stop(step: str, fraction: float) -> None:
        if step.startswith("step 5"):
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        train_decoder(data, OPTIONS, tmp_path / "stopped", stop)
    resumed = train_decoder(data, OPTIONS, tmp_path / "stopped")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0.0, atol=0.0)


def test_another_run_does_not_go_on_in_its_place(data: TeachingData, tmp_path: Path) -> None:
    train_decoder(data, OPTIONS, tmp_path)
    with pytest.raises(ConfigurationError, match="other options or other people"):
        train_decoder(data, replace(OPTIONS, seed=1), tmp_path)


def test_a_damaged_state_is_named(data: TeachingData, tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"no state")
    with pytest.raises(CheckpointError, match="remove it to begin again"):
        train_decoder(data, OPTIONS, tmp_path)


@pytest.mark.slow
def test_teaching_lowers_the_loss_on_people_who_do_not_teach(
    data: TeachingData, tmp_path: Path
) -> None:
    network = SupportDecoderConfig(widths=(8, 16, 16, 24))
    options = replace(OPTIONS, steps=250, episodes=2, slices=4, warm_up=10, network=network)
    taught = train_decoder(data, options, tmp_path)
    untaught = SupportDecoder(network).eval()
    others = TeachingData((group_of(range(20, 28)),), (), {})
    cases = CasePool(others, 9, 30, tmp_path / "others", in_shape=True)
    losses = {id(taught): 0.0, id(untaught): 0.0}
    with torch.inference_mode():
        for step in range(12):
            batch = draw_batch(cases, seed=9, step=step, episodes=2, slices=4)
            for decoder in (taught, untaught):
                losses[id(decoder)] += float(decoder_loss(decoder(batch.inputs), batch, options))
    assert losses[id(taught)] < losses[id(untaught)]


def test_the_threshold_leaves_people_dark(tmp_path: Path) -> None:
    """A decoder that calls bright what differs from the mean is a decoder too."""

    class Difference(SupportDecoder):
        def forward(self, slices: torch.Tensor) -> torch.Tensor:
            return 20.0 * slices[:, 4].abs() - 3.0

    people = torch.stack([person(seed) for seed in range(20, 27)])
    people = (people + people.flip(1)) / 2.0  # the sides of a head are alike
    decoder = TwofoldDecoder(OPTIONS.network)
    decoder.in_place = decoder.in_shape = Difference(OPTIONS.network)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    response = measure_people(decoder, people[:4], people[4:], affine, lambda *_: None)
    here = response.on_grid(people.shape[1:], affine)
    threshold = choose_threshold(decoder, here, people, 0.008, lambda *_: None)
    assert threshold.mean_dice > 0.2
    assert threshold.median_marked_ml <= TOLERATED_ML


def test_a_threshold_needs_people(data: TeachingData) -> None:
    decoder = TwofoldDecoder(OPTIONS.network)
    people = data.groups[0].intensities[:5]
    response = NormalResponse(people[0], people[0], 0.0, 1.0)
    with pytest.raises(ConfigurationError, match="5 people are held out"):
        choose_threshold(decoder, response, people, 0.008, lambda *_: None)
