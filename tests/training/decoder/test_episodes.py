from collections.abc import Iterator

import numpy as np
import pytest
import torch

from d24fad_core.comparison.normal_stack import BRIGHTEST, NormalStack
from d24fad_core.comparison.support_channels import CHANNELS
from d24fad_core.training.decoder.acquisition import draw_contrast, scan_again
from d24fad_core.training.decoder.anomalies import plant_anomaly
from d24fad_core.training.decoder.cases import CasePool
from d24fad_core.training.decoder.episodes import draw_batch
from d24fad_core.training.decoder.people import Group, TeachingData

SHAPE = (26, 30, 28)


def person(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    places = torch.stack(
        torch.meshgrid(*[torch.linspace(-1, 1, size) for size in SHAPE], indexing="ij")
    )
    inside = places.norm(dim=0) < 0.85
    tissue = 0.6 + 0.2 * torch.sin(6 * places).prod(0)
    return (tissue + 0.02 * torch.randn(SHAPE, generator=generator)) * inside


def group_of(seeds: range) -> Group:
    people = torch.stack([person(seed) for seed in seeds])
    return Group.of("people", NormalStack.in_units(people), 1.0)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> CasePool:
    shape = torch.zeros(SHAPE)
    shape[10:13, 12:16, 11:14] = 1.0
    data = TeachingData((group_of(range(8)),), (shape,), {"person-0": "hash"})
    return CasePool(data, 3, 20, tmp_path_factory.mktemp("cases"), in_shape=True)


def batches(cases: CasePool, count: int) -> Iterator[tuple[torch.Tensor, ...]]:
    for step in range(count):
        batch = draw_batch(cases, seed=3, step=step, episodes=2, slices=3)
        yield batch.inputs, batch.abnormal, batch.inside


def test_a_step_is_the_same_each_time_and_other_steps_differ(cases: CasePool) -> None:
    first, again = list(batches(cases, 3)), list(batches(cases, 3))
    for one, two in zip(first, again, strict=True):
        for each, other in zip(one, two, strict=True):
            torch.testing.assert_close(each, other, rtol=0.0, atol=0.0)
    assert not torch.equal(first[0][1], first[2][1])


def test_slices_have_the_form_that_the_decoder_wants(cases: CasePool) -> None:
    for inputs, abnormal, inside in batches(cases, 6):
        assert inputs.shape[:2] == (6, CHANNELS)
        assert inputs.shape[2] % 8 == inputs.shape[3] % 8 == 0
        assert abnormal.shape == inside.shape == (6, *inputs.shape[2:])
        assert torch.isfinite(inputs).all()
        assert set(abnormal.unique().tolist()) <= {0.0, 1.0}


def test_anomalies_lie_inside_and_some_episodes_have_none(cases: CasePool) -> None:
    abnormal, normal = 0, 0
    for _, planted, inside in batches(cases, 30):
        assert not (planted * (1.0 - inside)).any()
        for episode in planted.split(3):
            abnormal += bool(episode.any())
            normal += not episode.any()
    assert abnormal > normal > 0


def test_what_is_planted_is_what_has_changed() -> None:
    head = person(0)
    changed_inside, changed_outside = [], []
    for seed in range(40):
        planted = plant_anomaly(
            np.random.default_rng(seed), head, head > 0, person(1).roll(5, 1), None
        )
        difference = (planted.intensities - head).abs()
        assert not difference[head <= 0].any()
        assert (
            0.0
            <= float(planted.intensities.min())
            <= float(planted.intensities.max())
            <= (BRIGHTEST)
        )
        if planted.abnormal.any():
            changed_inside.append(float(difference[planted.abnormal].mean()))
            changed_outside.append(float(difference[~planted.abnormal].mean()))
    assert len(changed_inside) > 30
    assert np.mean(changed_inside) > 5 * np.mean(changed_outside)


def test_anomalies_are_small_and_large_bright_and_dark() -> None:
    head = person(0)
    sizes, signs = [], []
    for seed in range(60):
        planted = plant_anomaly(
            np.random.default_rng(seed), head, head > 0, person(1).roll(5, 1), None
        )
        if planted.abnormal.any():
            sizes.append(int(planted.abnormal.sum()))
            signs.append(float((planted.intensities - head)[planted.abnormal].mean()))
    assert min(sizes) <= 10
    assert max(sizes) > 1000
    assert min(signs) < -0.1 < 0.1 < max(signs)


def test_another_contrast_is_one_curve_for_all() -> None:
    contrast = draw_contrast(np.random.default_rng(5))
    values = torch.linspace(0.0, 1.5, 50)
    torch.testing.assert_close(contrast(values.flip(0)), contrast(values).flip(0))


def test_another_acquisition_leaves_the_background_alone() -> None:
    head = person(0)
    again = scan_again(np.random.default_rng(1), head, head > 0, 1.0)
    assert not again[head <= 0].any()
    assert 0.0 < float((again - head).abs()[head > 0].mean()) < 0.2
