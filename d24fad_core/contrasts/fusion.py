"""From one map a contrast to one map of all."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.support.frame import AlignedStudy, Frame, from_simpleitk, grid_image, to_simpleitk

POWER = 4
"""Of the mean; set on three simulated heads among 1, 2, 4 and infinity, see docs/contrasts.md."""


def on_reference(
    values: NDArray[np.float32],
    frame: Frame,
    aligned: AlignedStudy,
    to_other: sitk.Transform,
    reference_frame: Frame,
    reference: AlignedStudy,
) -> NDArray[np.float32]:
    """A map of one contrast at the places of the reference contrast's frame.

    Frames of two contrasts differ, and so do a person's alignments to them; the person's own
    scans tie them together.

    Args:
        values: (X, Y, Z) on the grid of `frame`.
        frame: the frame of the contrast's normals.
        aligned: the person in it.
        to_other: from points of the person's reference scan to points of the contrast's scan.
        reference_frame: the frame of the reference contrast's normals.
        reference: the person in that.
    """
    path = sitk.CompositeTransform(3)
    # The transform that was added last is applied first.
    path.AddTransform(aligned.to_study.GetInverse())
    path.AddTransform(to_other)
    path.AddTransform(reference.to_study)
    return from_simpleitk(
        sitk.Resample(
            to_simpleitk(values, frame.affine),
            grid_image(reference_frame.shape, reference_frame.affine),
            path,
            sitk.sitkLinear,
            0.0,
        )
    )


def fuse_maps(maps: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The power mean of the maps of several contrasts, each in z of its own normals.

    Not the mean: a lesion that one contrast shows is not refuted by another that shows nothing.
    Where no contrast is above 0, their mean, so that everything inside has a value.

    Args:
        maps: (X, Y, Z) each, on one grid, the reference first.

    Returns:
        (X, Y, Z), 0 outside the reference's foreground.
    """
    powers = [np.maximum(each, 0) ** POWER for each in maps]
    raised: NDArray[np.float32] = np.mean(powers, axis=0, dtype=np.float32) ** (1 / POWER)
    mean: NDArray[np.float32] = np.mean(maps, axis=0, dtype=np.float32)
    fused = np.where(raised > 0, raised, mean).astype(np.float32)
    return np.where(maps[0] != 0, fused, np.float32(0.0))


def with_joint(fused: NDArray[np.float32], joint: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the fused maps and of what the contrasts show only together.

    Args:
        fused: (X, Y, Z) from `fuse_maps`.
        joint: scores of the joint intensities; 0 where unknown.

    Returns:
        (X, Y, Z), 0 where `fused` is 0.
    """
    known = (fused != 0) & (joint != 0)
    return np.where(known, (fused + joint) / np.float32(2.0), fused)


def alone(contrasts: int) -> float:
    """What the fused map is where one contrast has 1 and the others have 0.

    With several contrasts, their joint intensities have 1 there as well.
    """
    single = float(contrasts ** (-1 / POWER))
    return single if contrasts == 1 else (single + 1.0) / 2.0


def in_fused_units(fused: NDArray[np.float32], scale: ScoreScale) -> NDArray[np.float32]:
    """A fused map in z of the normals' own fused maps, 0 outside."""
    z = (fused - np.float32(scale.centre)) / np.float32(scale.spread)
    return np.where(fused != 0, z, np.float32(0.0))
