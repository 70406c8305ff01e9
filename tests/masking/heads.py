"""Heads that are made of few shapes: a brain in a skull in a scalp, with a neck, on 4 mm voxels."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from d24fad_core.volumes.volume import Modality, Volume

_SHAPE = (50, 60, 62)
_CENTRE = np.array([0.0, 0.0, 25.0])
_BRAIN_MM = np.array([68.0, 84.0, 62.0])


@lru_cache(maxsize=8)
def head(number: int) -> Volume:
    """One of many people's whole heads, without noise in the air."""
    generator = np.random.default_rng(number)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-98.0, -118.0, -120.0]
    places = np.moveaxis(np.indices(_SHAPE), 0, -1) * 4.0 + affine[:3, 3]
    size = 1 + 0.03 * generator.standard_normal()
    array = np.zeros(_SHAPE, np.float32)
    neck = (np.hypot(places[..., 0], places[..., 1]) < 55) & (places[..., 2] < 0)
    array[neck] = 70.0
    array[_within(places, size * _BRAIN_MM + 15)] = 110.0
    array[_within(places, size * _BRAIN_MM + 8)] = 12.0
    brain = _within(places, size * _BRAIN_MM)
    array[brain] = 90.0
    array[_within(places, size * _BRAIN_MM * 0.7)] = 120.0
    array[array > 0] += generator.normal(0, 4, np.count_nonzero(array)).astype(np.float32)
    return Volume(np.asfortranarray(array), affine, Modality.MR, f"head-{number}")


def brain_of(number: int) -> NDArray[np.bool_]:
    """Where the brain of `head` is."""
    volume = head(number)
    places = np.moveaxis(np.indices(_SHAPE), 0, -1) * 4.0 + volume.affine[:3, 3]
    size = 1 + 0.03 * np.random.default_rng(number).standard_normal()
    return _within(places, size * _BRAIN_MM)


def stripped(number: int) -> Volume:
    """The same person's brain alone."""
    volume = head(number)
    array = np.where(brain_of(number), volume.array, np.float32(0.0))
    return replace(volume, array=np.asfortranarray(array), name=f"brain-{number}")


def _within(places: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (((places - _CENTRE) / radii) ** 2).sum(axis=-1) <= 1
    return inside
