"""What a taught decoder answers to untouched people, measured on people."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d24fad_core.comparison.deformation import align_mutually
from d24fad_core.comparison.normal_response import ResponseMap, measure_response
from d24fad_core.comparison.normal_stack import NormalStack
from d24fad_core.comparison.support_decoding import decode
from d24fad_core.networks.support_decoder import TwofoldDecoder
from d24fad_core.progress import Progress
from d24fad_core.support.views import view_support
from d24fad_core.training.decoder.threshold import SHOTS

_DRAWS = 2
_SEED = 12
# The decoder knows the people who taught it, and answers less to them than to others.
_HELD_OUT_WEIGHT = 3.0


def measure_people(
    decoder: TwofoldDecoder,
    held_out: Tensor,
    taught: Tensor,
    affine: NDArray[np.float64],
    progress: Progress,
) -> ResponseMap:
    """Compare each person with four others, drawn twice, and sum up the log-odds.

    Args:
        decoder: taught, in eval mode.
        held_out: (N, X, Y, Z) people who did not teach it, in the units of `NormalStack`.
        taught: (M, X, Y, Z) real people who did, likewise; more than three people in all.
        affine: 4x4 from voxel index of the common grid to MNI mm.
        progress: told of each person.
    """
    people = torch.cat([held_out, taught])
    log_odds, inside, weights = [], [], []
    for draw in range(_DRAWS):
        for number, person in enumerate(people):
            done = draw * len(people) + number
            progress("measuring untouched people", done / (_DRAWS * len(people)))
            others = [other for other in range(len(people)) if other != number]
            rng = np.random.default_rng((_SEED, draw, number))
            normals = NormalStack.in_units(people[rng.choice(others, SHOTS, replace=False)])
            views = view_support(person, normals, align_mutually(normals))
            # Half precision is enough for a mean over people.
            log_odds.append(decode(decoder, person, views).half())
            inside.append(person > 0)
            weights.append(_HELD_OUT_WEIGHT if number < len(held_out) else 1.0)
    return measure_response(
        torch.stack(log_odds), torch.stack(inside), torch.tensor(weights), affine
    )
