"""The training objective: dual distillation in the paper's form and in the form that works.

The teacher is frozen, so the objective begins at what it makes of the images; whether that is
computed now or was computed once for all epochs is the same to it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.nearest_neighbour import nearest_similarity
from d24fad_core.networks.teacher import Features
from d24fad_core.networks.weighting import ImageWeighting, PositionWeighting
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.episodes import EmbeddedEpisode, EmbeddedImages, Episode
from d24fad_core.training.losses import self_distillation_loss, teacher_student_loss


@dataclass(frozen=True)
class StepLosses:
    """Losses of one step.

    Attributes:
        total: what is minimised.
        ssd: student against its weighted support; 0 during the teacher-student warm-up.
        tsd: student against teacher.
        diversity: spread of student features over the queries relative to the teacher's; a
            student that ignores its query has 0.
    """

    total: Tensor
    ssd: Tensor
    tsd: Tensor
    diversity: Tensor


def step_losses(
    model: D24FAD,
    episode: Episode | EmbeddedEpisode,
    config: TrainingConfig,
    *,
    warming_up: bool = False,
) -> StepLosses:
    """Losses of an episode.

    Args:
        model: what is trained.
        episode: images, or what the model's teacher makes of them.
        config: form and weights of the losses.
        warming_up: the teacher-student loss acts alone.
    """
    embedded = _embed(model, episode) if isinstance(episode, Episode) else episode
    if isinstance(model.weighting, ImageWeighting):
        return _by_image(model, embedded, config, warming_up)
    return _by_position(model, model.weighting, embedded, config, warming_up)


def _embed(model: D24FAD, episode: Episode) -> EmbeddedEpisode:
    """Run the teacher, once for all images."""
    queries, shape = len(episode.query), episode.support.shape[:2]
    features, embedding = model.embed(torch.cat([episode.query, episode.support.flatten(0, 1)]))
    return EmbeddedEpisode(
        EmbeddedImages(tuple(scale[:queries] for scale in features), embedding[:queries]),
        EmbeddedImages(
            tuple(scale[queries:].view(*shape, *scale.shape[1:]) for scale in features),
            embedding[queries:].view(*shape, *embedding.shape[1:]),
        ),
    )


def _by_image(
    model: D24FAD, episode: EmbeddedEpisode, config: TrainingConfig, warming_up: bool
) -> StepLosses:
    teacher = episode.query.features
    if warming_up:
        student = model.student(episode.query.embedding)
        ssd = student[0].new_zeros(())
    else:
        student, weighted = model.predict_and_weigh(
            episode.query.embedding, episode.support.embedding
        )
        support = weighted.features
        if config.stop_gradient:
            support = tuple(scale.detach() for scale in support)
        ssd = self_distillation_loss(student, support, per_position=config.per_position)
    tsd = teacher_student_loss(student, teacher, per_position=config.per_position)
    return _join(ssd, tsd, diversity(student, teacher), config)


def _by_position(
    model: D24FAD,
    weighting: PositionWeighting,
    episode: EmbeddedEpisode,
    config: TrainingConfig,
    warming_up: bool,
) -> StepLosses:
    query, support = episode.query, episode.support
    queries = len(query.embedding)
    # Query and support are all normal, so both are examples of what the teacher sees.
    student = model.student(torch.cat([query.embedding, support.embedding[:, 0]]))
    teacher = tuple(
        torch.cat([own, others[:, 0]])
        for own, others in zip(query.features, support.features, strict=True)
    )
    tsd = teacher_student_loss(student, teacher, per_position=config.per_position)
    ssd = tsd.new_zeros(())
    if not warming_up:
        ssd = _nearest_distance(weighting, student, queries, config)
    return _join(
        ssd, tsd, diversity(tuple(scale[:queries] for scale in student), query.features), config
    )


def _nearest_distance(
    weighting: PositionWeighting, student: Features, queries: int, config: TrainingConfig
) -> Tensor:
    """SSD per position: the first `queries` images against the others."""
    total = student[0].new_zeros(())
    for scale, features in enumerate(student):
        support = features[queries:][None]
        if config.stop_gradient:
            support = support.detach()
        similarity = nearest_similarity(features[:queries], support, config.search_radius[scale])
        total = total + weighting.distance(similarity, scale).mean()
    return total


def _join(ssd: Tensor, tsd: Tensor, spread: Tensor, config: TrainingConfig) -> StepLosses:
    return StepLosses(
        total=config.ssd_weight * ssd + config.tsd_weight * tsd,
        ssd=ssd.detach(),
        tsd=tsd.detach(),
        diversity=spread,
    )


def diversity(student: Features, teacher: Features) -> Tensor:
    """Spread over the batch of direction of student features, relative to the teacher's.

    1 - |mean of unit vectors| at each position, averaged; 0 when all queries look alike. The
    collapse of dual distillation shows here long before it shows in the losses.
    """
    with torch.no_grad():
        ratios = [
            _spread(one) / _spread(other).clamp_min(1e-6)
            for one, other in zip(student, teacher, strict=True)
        ]
        return torch.stack(ratios).mean()


def _spread(features: Tensor) -> Tensor:
    unit = torch.nn.functional.normalize(features, dim=1)
    spread: Tensor = (1.0 - unit.mean(dim=0).norm(dim=0)).mean()
    return spread
