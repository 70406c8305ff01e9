"""Studies of a few thousand voxels and a detector that is as small as one can be."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from d24fad_core.comparison.scoring import MapKind, ScoringConfig
from d24fad_core.detection.detector import Detector
from d24fad_core.models.checkpoint import ModelCard
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.volumes.volume import Volume
from tests.evaluation.networks import untrained_network
from tests.support.phantom import AIR, CENTRE, Grid, scan

IMAGE_SIZE = 64
LESION = CENTRE + np.array([-12.0, -6.0, 4.0])

EVERY_MAP = ScoringConfig(fusion=dict.fromkeys(MapKind, (0.5, 1.0, 1.0)))
"""All kinds of maps at all scales take part."""


@lru_cache(maxsize=2)
def network(seed: int = 0) -> D24FAD:
    """The real teacher with an untrained student."""
    return untrained_network(seed)


def detector(
    cache: Path | None = None, scoring: ScoringConfig = EVERY_MAP, **card: Any
) -> Detector:
    """A detector; further arguments change its card."""
    model = network()
    described = ModelCard("untrained", model.config, IMAGE_SIZE, weights_hash="w")
    return Detector(model, replace(described, **card), cache, scoring)


@lru_cache(maxsize=16)
def study(
    number: int, lesion: bool = False, spacing: tuple[float, float, float] = (4.0, 4.0, 4.0)
) -> Volume:
    """One of many people, with noise; a lesion is 12 mm wide."""
    generator = np.random.default_rng(number)
    size = 1 + 0.03 * generator.standard_normal()
    volume = scan(
        Grid(spacing),
        LESION if lesion else None,
        6.0,
        size,
        f"{'case' if lesion else 'normal'}-{number}",
    )
    noise = generator.normal(0, 12, volume.shape)
    array = np.where(volume.array > AIR, volume.array + noise, AIR)
    return replace(volume, array=array.astype(np.float32))


def normals(count: int = 3) -> list[Volume]:
    """Normal studies for a support set."""
    return [study(number) for number in range(count)]
