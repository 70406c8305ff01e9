"""The threshold of a taught decoder, chosen on people who do not teach."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from d24fad_core.comparison.deformation import align_mutually
from d24fad_core.comparison.normal_response import NormalResponse
from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.comparison.support_decoding import decode_evenly
from d24fad_core.errors import ConfigurationError
from d24fad_core.networks.support_decoder import TwofoldDecoder
from d24fad_core.progress import Progress
from d24fad_core.support.views import view_support
from d24fad_core.training.decoder.anomalies import plant_anomaly

SHOTS = 4

TOLERATED_ML = 0.3
"""What half of the untouched people may have above the threshold."""

_PLANTED = 3
_CANDIDATES = np.arange(-6.0, 4.05, 0.1)
_SEED = 77
_LEAST_VOXELS = 6


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold and what it reaches on the people that it was chosen on.

    Attributes:
        log_odds: the threshold.
        mean_dice: over the planted cases.
        median_marked_ml: in the untouched people.
        people: who they are.
        cases: planted cases.
    """

    log_odds: float
    mean_dice: float
    median_marked_ml: float
    people: int
    cases: int


def choose_threshold(
    decoder: TwofoldDecoder,
    response: NormalResponse,
    people: Tensor,
    voxel_ml: float,
    progress: Progress,
) -> ChosenThreshold:
    """The threshold with the best mean Dice of planted anomalies that leaves people dark.

    Each person is compared with the next four. Dark: half of the untouched people have at most
    `TOLERATED_ML` marked.

    Args:
        decoder: taught, in eval mode.
        response: what it answers to untouched people, on their grid. The same people may be among
            them: each is then a small part of what it is measured against.
        people: (N, X, Y, Z) of those who do not teach, in the units of `NormalStack`.
        voxel_ml: volume of a voxel.
        progress: told of each person.

    Raises:
        ConfigurationError: fewer than six people.
    """
    if len(people) < SHOTS + 2:
        raise ConfigurationError(
            f"{len(people)} people are held out; at least {SHOTS + 2} are needed to choose a "
            f"threshold, each compared with {SHOTS} others",
            "give more people.",
        )
    marked, dice = [], []
    for number, person in enumerate(people):
        progress("choosing the threshold", number / len(people))
        members = [(number + 1 + other) % len(people) for other in range(SHOTS)]
        normals = NormalStack.in_units(people[members])
        in_one_shape = align_mutually(normals)
        views = view_support(person, normals, in_one_shape)
        untouched = decode_evenly(decoder, person, views, response)
        marked.append(_marked_ml(untouched, person > 0, voxel_ml))
        donor = people[(number + 1 + SHOTS) % len(people)]
        for seed in range(_PLANTED):
            query, truth = _planted(person, donor, (number, seed))
            views = view_support(query, normals, in_one_shape)
            log_odds = decode_evenly(decoder, query, views, response)
            dice.append(_dice(log_odds, query > 0, truth))
    median_marked = np.median(marked, axis=0)
    mean_dice = np.mean(dice, axis=0)
    dark = median_marked <= TOLERATED_ML
    best = int(np.where(dark, mean_dice, -1.0).argmax()) if dark.any() else len(_CANDIDATES) - 1
    return ChosenThreshold(
        log_odds=round(float(_CANDIDATES[best]), 2),
        mean_dice=float(mean_dice[best]),
        median_marked_ml=float(median_marked[best]),
        people=len(people),
        cases=len(dice),
    )


def _planted(person: Tensor, donor: Tensor, identity: Sequence[int]) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng((_SEED, *identity))
    moved = tuple(int(step) for step in rng.integers(-15, 15, 3))
    while True:
        planted = plant_anomaly(rng, person, person > 0, torch.roll(donor, moved, (0, 1, 2)), None)
        if int(planted.abnormal.sum()) >= _LEAST_VOXELS:
            return planted.intensities, planted.abnormal


def _marked_ml(log_odds: Tensor, inside: Tensor, voxel_ml: float) -> list[float]:
    values = log_odds[inside]
    return [float((values > level).sum()) * voxel_ml for level in _CANDIDATES]


def _dice(log_odds: Tensor, inside: Tensor, truth: Tensor) -> list[float]:
    values, lesion = log_odds[inside], truth[inside]
    figures = []
    for level in _CANDIDATES:
        mask = values > level
        total = float(mask.sum() + lesion.sum())
        figures.append(2.0 * float((mask & lesion).sum()) / total)
    return figures
