"""Synthetic anomalies pasted into normal images, for `benchmarks.meta_learning`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_TRIES = 20
_VISIBLE = 0.03
"""Change of a pixel, mean of the channels, from which it counts as changed."""

_WHOLE = 0.2
"""Share of the anomalies that are diffuse: the whole foreground changes."""

Image = NDArray[np.float32]
"""(N, N, 3) in [0, 1]."""

Mask = NDArray[np.float32]
"""(N, N) in [0, 1]."""

EFFECTS = ("texture", "foreign", "patch", "intensity", "blur", "noise", "deformation")
"""Texture of another image of the task, of another task, of another place of the same image; a
local change of intensity; blur; added noise; local deformation."""


@dataclass(frozen=True, eq=False)
class PastedAnomaly:
    """A normal image with an anomaly in it.

    Attributes:
        image: (N, N, 3) in [0, 1].
        mask: (N, N) bool, pixels that differ visibly.
        effect: one of `EFFECTS`.
    """

    image: Image
    mask: NDArray[np.bool_]
    effect: str


def paste_anomaly(
    image: Image,
    same_task: Image,
    other_task: Image,
    inside: NDArray[np.bool_],
    random: np.random.Generator,
    effect: str,
) -> PastedAnomaly:
    """Paste one anomaly of random shape and size, from 1 % of the foreground to all of it.

    Args:
        image: a normal image.
        same_task: another image of the task.
        other_task: an image of another task.
        inside: (N, N) bool, the foreground of `image`.
        random: where all chance comes from.
        effect: one of `EFFECTS`.
    """
    best = PastedAnomaly(image, np.zeros_like(inside), effect)
    for _ in range(_TRIES):
        shape = _shape(inside, random)
        changed = _changed(image, same_task, other_task, random, effect)
        pasted = (image + shape[..., None] * (changed - image)).clip(0, 1).astype(np.float32)
        difference = ndimage.gaussian_filter(np.abs(pasted - image).mean(axis=2), 1.5)
        mask = difference > _VISIBLE
        if mask.sum() > best.mask.sum():
            best = PastedAnomaly(pasted, mask, effect)
        if mask.sum() >= max(12, 0.4 * (shape > 0.5).sum()):
            return PastedAnomaly(pasted, mask, effect)
    return best


def _shape(inside: NDArray[np.bool_], random: np.random.Generator) -> Mask:
    """Soft-edged region of the foreground: smooth noise, an ellipse, a rectangle, or all of it."""
    size = len(inside)
    if random.random() < _WHOLE:
        return inside.astype(np.float32)
    area = np.exp(random.uniform(np.log(0.01), 0.0)) * inside.sum()
    row, column = random.permutation(np.argwhere(inside))[0]
    rows, columns = np.mgrid[:size, :size]
    angle, stretch = random.uniform(0, np.pi), np.exp(random.uniform(-0.7, 0.7))
    along = (np.cos(angle) * (rows - row) + np.sin(angle) * (columns - column)) * stretch
    across = (-np.sin(angle) * (rows - row) + np.cos(angle) * (columns - column)) / stretch
    kind = random.choice(["noise", "ellipse", "rectangle"], p=[0.6, 0.2, 0.2])
    radius = np.hypot(along, across)
    if kind == "rectangle":
        nearness = -np.maximum(np.abs(along), np.abs(across))
    elif kind == "ellipse":
        nearness = -radius
    else:
        scale = np.sqrt(area)
        field = ndimage.gaussian_filter(random.standard_normal((size, size)), max(1.5, scale / 4))
        nearness = field / field.std() - radius / scale
    nearness = np.where(inside, nearness, -np.inf)
    count = max(6, min(round(area), int(inside.sum())))
    region = nearness >= np.partition(nearness, -count, axis=None)[-count]
    soft: Mask = ndimage.gaussian_filter(region.astype(np.float32), random.uniform(0.4, 2.0))
    return soft


def _changed(
    image: Image,
    same_task: Image,
    other_task: Image,
    random: np.random.Generator,
    effect: str,
) -> Image:
    """The whole image with an effect."""
    size = len(image)
    shift = tuple(random.integers(size // 8, size - size // 8, 2))
    if effect in ("texture", "foreign", "patch"):
        source = {"texture": same_task, "foreign": other_task, "patch": image}[effect]
        moved = np.roll(np.rot90(source, random.integers(4)), shift, axis=(0, 1))
        if random.random() < 0.5:
            # The texture alone, at the brightness of the place.
            moved = moved - _smooth(moved, 6.0) + _smooth(image, 6.0)
        share = random.uniform(0.4, 1.0)
        blended: Image = (1 - share) * image + share * moved
        return blended
    if effect == "intensity":
        gain = np.exp(random.uniform(-0.4, 0.4))
        coloured = 0.3 * random.standard_normal(3) if np.ptp(image, axis=2).mean() > 0.03 else 0.0
        offset = random.choice([-1, 1]) * random.uniform(0.06, 0.35) * (1.0 + coloured)
        changed: Image = image * gain + offset
        return changed
    if effect == "blur":
        return _smooth(image, random.uniform(1.2, 5.0))
    if effect == "noise":
        noise = ndimage.gaussian_filter(
            random.standard_normal((size, size)), random.uniform(0.5, 3.0)
        )
        noisy: Image = image + random.uniform(0.05, 0.2) * (noise / noise.std())[..., None]
        return noisy
    strength, width = random.uniform(3.0, 12.0), random.uniform(4.0, 12.0)
    moved_by = [ndimage.gaussian_filter(random.standard_normal((size, size)), width) for _ in "rc"]
    at = np.mgrid[:size, :size] + strength * np.stack([one / one.std() for one in moved_by])
    channels = [
        ndimage.map_coordinates(image[..., channel], at, order=1, mode="nearest")
        for channel in range(3)
    ]
    deformed: Image = np.stack(channels, axis=2)
    return deformed


def _smooth(image: Image, sigma: float) -> Image:
    smooth: Image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    return smooth
