"""What a scan shows of a person, as far as masks depend on it."""

from enum import Enum

import nibabel
import numpy as np

from d24fad_core.volumes.preprocessing import find_foreground
from d24fad_core.volumes.volume import Modality, Volume, spacing_of

BRAIN_ML = (600.0, 2200.0)
"""Volumes that a brain mask may have: from a small child's to the largest, some rim included."""

_LARGEST_HEAD_ML = 8000.0
_HEAD_MM = ((110.0, 240.0), (130.0, 310.0), (80.0, 420.0))
_CONSTANT_SHARE = 0.5


class Coverage(str, Enum):
    """What a scan shows."""

    BRAIN = "brain"
    HEAD = "head"
    BODY = "body"
    OTHER = "other"


def coverage_of(volume: Volume) -> Coverage:
    """Whether a scan is a brain without its head, a head, or neither.

    A brain alone has a constant background over most of its box and a brain's volume; a head is
    larger than any brain and has a head's extents. CT is a body.

    Raises:
        InputError: the scan has no foreground.
    """
    if volume.modality is Modality.CT:
        return Coverage.BODY
    orientation = nibabel.orientations.io_orientation(volume.affine)
    canonical = nibabel.orientations.apply_orientation(volume.array, orientation)
    affine = volume.affine @ nibabel.orientations.inv_ornt_aff(orientation, volume.shape)
    spacing = np.array(spacing_of(affine))
    foreground = find_foreground(
        canonical, (spacing[0], spacing[1], spacing[2]), volume.modality, volume.name
    )
    step = np.array(foreground.step)
    foreground_ml = foreground.mask.sum() * float(np.prod(spacing * step)) / 1000.0
    sample = canonical[:: step[0], :: step[1], :: step[2]]
    _, counts = np.unique(sample, return_counts=True)
    constant = counts.max() / sample.size >= _CONSTANT_SHARE
    if constant and BRAIN_ML[0] <= foreground_ml <= BRAIN_ML[1]:
        return Coverage.BRAIN
    extents = (np.array(foreground.last) - foreground.first + 1) * spacing
    head = all(low <= extent <= high for extent, (low, high) in zip(extents, _HEAD_MM, strict=True))
    if head and BRAIN_ML[1] < foreground_ml <= _LARGEST_HEAD_ML:
        return Coverage.HEAD
    return Coverage.OTHER
