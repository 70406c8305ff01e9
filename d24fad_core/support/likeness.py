"""Whether two studies show one person, whatever their files, orientation or intensity scale.

Once the broad shapes that all bodies share are taken off, two pictures of one person are far more
alike than those of two people ever are. Correlation does not depend on the scale of intensities,
and the alignment has undone orientation.

Measured on 24 heads (IXI) and 12 brains (ds002748), see `tests/support/test_likeness.py`: two
people reach .60 at most, simulated people, who share one anatomy, .68; the same person with noise,
another gamma or thick slices .94 and more, turned by 5 to 10 degrees .65 to .97 before the two are
laid upon each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from d24fad_core.support.profile import StudyProfile, detail_of
from d24fad_core.support.registration import register_affinely
from d24fad_core.support.support_set import SupportStudy

SAME_PERSON = 0.8
"""Likeness from which two studies are taken for scans of one person."""

_DOUBTFUL = 0.63
"""Likeness from which studies are laid upon each other before it is judged: two alignments of one
person to a third differ by a little."""


def likeness(one: StudyProfile, other: StudyProfile) -> float:
    """Correlation, -1 to 1, of what distinguishes two studies in the same frame."""
    spacing = one.picture_spacing_mm
    direct = _correlation(one.detail, other.detail)
    if not _DOUBTFUL <= direct < SAME_PERSON:
        return direct
    fixed, moving = (_image(each.picture, spacing) for each in (one, other))
    transform = register_affinely(fixed, moving, sitk.AffineTransform(3))
    if transform is None:
        return direct
    moved = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0))
    return max(direct, _correlation(one.detail, detail_of(moved, spacing)))


@dataclass(frozen=True)
class MutualLikeness:
    """How alike the studies of a support set are.

    Attributes:
        alike: names of every two that look like scans of one person.
        usual: what each of them reaches with another of them at least.
    """

    alike: tuple[tuple[str, str], ...]
    usual: float


def mutual_likeness(studies: Sequence[SupportStudy]) -> MutualLikeness:
    """Compare every two of at least two studies."""
    pairs = {
        (one, other): likeness(studies[one].profile, studies[other].profile)
        for one, other in combinations(range(len(studies)), 2)
    }
    return MutualLikeness(
        alike=tuple(
            (studies[one].name, studies[other].name)
            for (one, other), value in pairs.items()
            if value >= SAME_PERSON
        ),
        usual=min(
            max(value for pair, value in pairs.items() if number in pair)
            for number in range(len(studies))
        ),
    )


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float((one * other).sum() / lengths) if lengths > 0 else 0.0


def _image(picture: NDArray[np.float32], spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.GetImageFromArray(picture)
    image.SetSpacing(spacing)
    return image
