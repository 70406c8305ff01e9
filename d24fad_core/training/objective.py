"""The training objective: dual distillation in the paper's form and in the form that works."""

from dataclasses import dataclass

import torch
from torch import Tensor

from d24fad_core.losses import self_distillation_loss, teacher_student_loss
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.teacher import Features
from d24fad_core.networks.weighting import ImageWeighting, PositionWeighting, nearest_similarity
from d24fad_core.training.config import TrainingConfig
from d24fad_core.training.episodes import Episode


@dataclass(frozen=True)
class StepLosses:
    """Losses of one step.

    Attributes:
        total: what is minimised.
        ssd: student against its weighted support.
        tsd: student against teacher.
        diversity: spread of student features over the queries relative to the teacher's; a
            student that ignores its query has 0.
    """

    total: Tensor
    ssd: Tensor
    tsd: Tensor
    diversity: Tensor


def step_losses(model: D24FAD, episode: Episode, config: TrainingConfig) -> StepLosses:
    """Losses of an episode."""
    if isinstance(model.weighting, ImageWeighting):
        return _by_image(model, episode, config)
    return _by_position(model, model.weighting, episode, config)


def _by_image(model: D24FAD, episode: Episode, config: TrainingConfig) -> StepLosses:
    encoded, weighted = model(episode.query, episode.support)
    support = weighted.features
    if config.stop_gradient:
        support = tuple(scale.detach() for scale in support)
    ssd = self_distillation_loss(encoded.student, support, per_position=config.per_position)
    tsd = teacher_student_loss(encoded.student, encoded.teacher, per_position=config.per_position)
    return StepLosses(
        total=config.ssd_weight * ssd + config.tsd_weight * tsd,
        ssd=ssd.detach(),
        tsd=tsd.detach(),
        diversity=diversity(encoded.student, encoded.teacher),
    )


def _by_position(
    model: D24FAD, weighting: PositionWeighting, episode: Episode, config: TrainingConfig
) -> StepLosses:
    queries = len(episode.query)
    images = torch.cat([episode.query, episode.support[:, 0]])
    # Query and support are all normal, so both are examples of what the teacher sees.
    encoded = model.encode(images)
    tsd = teacher_student_loss(encoded.student, encoded.teacher, per_position=config.per_position)
    ssd = tsd.new_zeros(())
    for scale, features in enumerate(encoded.student):
        support = features[queries:][None]
        if config.stop_gradient:
            support = support.detach()
        similarity = nearest_similarity(features[:queries], support, config.search_radius[scale])
        ssd = ssd + weighting.distance(similarity, scale).mean()
    student = tuple(scale[:queries] for scale in encoded.student)
    teacher = tuple(scale[:queries] for scale in encoded.teacher)
    return StepLosses(
        total=config.ssd_weight * ssd + config.tsd_weight * tsd,
        ssd=ssd.detach(),
        tsd=tsd.detach(),
        diversity=diversity(student, teacher),
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
