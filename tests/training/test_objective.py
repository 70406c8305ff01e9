"""The objective on networks with random weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.episodes import EmbeddedEpisode, EmbeddedImages, Episode
from d24fad_core.training.objective import StepLosses, diversity, step_losses
from tests.training.small_run import BY_IMAGE, BY_POSITION, CONFIG, network, tasks

PAPER_FORM = replace(
    CONFIG,
    network=BY_IMAGE,
    tsd_weight=0.1,
    stop_gradient=False,
    per_position=False,
)
FORMS = [pytest.param(CONFIG, id="by position"), pytest.param(PAPER_FORM, id="as published")]


def episode_for(config: TrainingConfig, seed: int = 0) -> Episode:
    return tasks()[0].draw(
        np.random.default_rng(seed),
        config.queries,
        config.shots,
        shared=config.network.weighting == "position",
    )


def gradients(model: D24FAD, config: TrainingConfig) -> tuple[float, float]:
    """How strongly the self-distillation loss pulls on query and support images.

    In eval mode, since batch statistics would carry gradients from one image to another.
    """
    episode = episode_for(config)
    episode.query.requires_grad_()
    episode.support.requires_grad_()
    step_losses(model, episode, replace(config, tsd_weight=0.0)).total.backward()
    return tuple(
        0.0 if images.grad is None else float(images.grad.abs().sum())
        for images in (episode.query, episode.support)
    )


@pytest.mark.parametrize("config", FORMS)
def test_stop_gradient_keeps_the_support_from_moving_towards_the_query(
    config: TrainingConfig,
) -> None:
    model = network(config.network)
    query, support = gradients(model, replace(config, stop_gradient=True))
    assert query > 0 and support == 0
    query, support = gradients(model, replace(config, stop_gradient=False))
    assert query > 0 and support > 0


@pytest.mark.parametrize("config", FORMS)
def test_the_total_is_the_weighted_sum(config: TrainingConfig) -> None:
    model = network(config.network)
    weighted = replace(config, ssd_weight=2.0, tsd_weight=0.5)
    losses = step_losses(model, episode_for(config), weighted)
    assert losses.ssd > 0 and losses.tsd > 0
    torch.testing.assert_close(losses.total, 2.0 * losses.ssd + 0.5 * losses.tsd)


@pytest.mark.parametrize("config", FORMS)
def test_while_warming_up_the_teacher_teaches_alone(config: TrainingConfig) -> None:
    model, episode = network(config.network), episode_for(config)
    both = step_losses(model, episode, config)
    alone = step_losses(model, episode, config, warming_up=True)
    assert float(alone.ssd) == 0.0
    torch.testing.assert_close(alone.tsd, both.tsd)
    torch.testing.assert_close(alone.diversity, both.diversity)
    torch.testing.assert_close(alone.total.detach(), config.tsd_weight * both.tsd)
    alone.total.backward()
    assert all(value.grad is None for value in model.weighting.parameters())
    assert all(value.grad is not None for value in model.student.parameters())


@pytest.mark.parametrize("config", FORMS)
def test_features_give_the_losses_of_their_images(config: TrainingConfig) -> None:
    model, episode = network(config.network), episode_for(config)
    images = step_losses(model, episode, config)
    query, support = (
        EmbeddedImages(
            tuple(scale.view(*shape, *scale.shape[1:]) for scale in features),
            embedding.view(*shape, *embedding.shape[1:]),
        )
        for shape, (features, embedding) in (
            (episode.query.shape[:1], model.embed(episode.query)),
            (episode.support.shape[:2], model.embed(episode.support.flatten(0, 1))),
        )
    )
    losses = step_losses(model, EmbeddedEpisode(query, support), config)
    for name in ("total", "ssd", "tsd", "diversity"):
        torch.testing.assert_close(getattr(losses, name), getattr(images, name))


@pytest.mark.parametrize("config", FORMS)
def test_support_equal_to_the_query_leaves_nothing_to_distil(config: TrainingConfig) -> None:
    config = replace(config, queries=1, shots=1)
    query = episode_for(config).query
    losses = step_losses(network(config.network), Episode(query, query[None]), config)
    assert float(losses.ssd) == pytest.approx(0.0, abs=1e-5)
    assert float(losses.tsd) > 0.1


def trained(config: TrainingConfig, steps: int) -> list[StepLosses]:
    model = network(config.network).train()
    parameters = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    history = []
    for step in range(steps):
        losses = step_losses(model, episode_for(config, step), config)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        history.append(losses)
    return history


@pytest.mark.parametrize("config", FORMS)
def test_losses_fall_within_a_few_steps(config: TrainingConfig) -> None:
    history = trained(config, 8)
    assert float(history[-1].total.detach()) < 0.8 * float(history[0].total.detach())
    assert float(history[-1].ssd) < 0.8 * float(history[0].ssd)


def test_self_distillation_alone_makes_the_student_ignore_its_query() -> None:
    """The collapse that the teacher-student weight and the stopped gradient are there for."""
    history = trained(replace(CONFIG, tsd_weight=0.0, stop_gradient=False), 10)
    assert float(history[-1].diversity) < 0.1 < float(history[0].diversity)


def features(seed: int, batch: int = 4) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(batch, channels, side, side, generator=generator)
        for channels, side in ((6, 8), (10, 4), (20, 2))
    )


def test_diversity_of_a_student_equal_to_its_teacher_is_one() -> None:
    teacher = features(0)
    assert float(diversity(teacher, teacher)) == pytest.approx(1.0, abs=1e-5)


def test_diversity_of_a_student_that_ignores_its_query_is_zero() -> None:
    one = tuple(scale[:1].expand(4, -1, -1, -1) for scale in features(1))
    assert float(diversity(one, features(0))) == pytest.approx(0.0, abs=1e-5)


def test_diversity_looks_at_directions_not_lengths() -> None:
    teacher = features(0)
    assert float(diversity(tuple(7 * scale for scale in teacher), teacher)) == pytest.approx(
        1.0, abs=1e-5
    )


def test_the_teacher_is_never_trained() -> None:
    model = network(BY_POSITION).train()
    losses = step_losses(model, episode_for(CONFIG), CONFIG)
    losses.total.backward()
    assert not model.teacher.training
    assert all(value.grad is None for value in model.teacher.parameters())
    trainable = [*model.student.parameters(), *model.weighting.parameters()]
    assert all(value.grad is not None and value.grad.isfinite().all() for value in trainable)
