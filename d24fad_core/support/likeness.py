"""Whether two studies show one person, whatever their files, orientation or intensity scale.

Once the broad shapes that all bodies share are taken off, two pictures of one person are far more
alike than those of two people ever are. Correlation does not depend on the scale of intensities,
and the alignment has undone orientation.

Measured on 24 heads (IXI) and 12 brains (ds002748), see `tests/support/test_likeness.py`: two
people reach .60 at most, simulated people, who share one anatomy, .68; the same person with noise,
another gamma or thick slices .94 and more, turned by 5 to 10 degrees .65 to .97 before the two are
laid upon each other. Heads are nearly symmetric: a mirror image reaches .58 to .76 with the study
itself as it stands, .85 to .97 once it is turned back, and .61 at most with other people either
way. Laid upon each other at half the resolution, they are less alike by .03 at most. A part reaches
.81 to 1.0 with the whole where the alignment holds, which it does not always, and .58 with others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from d24fad_core.support.frame import Frame
from d24fad_core.support.profile import StudyProfile, detail_of
from d24fad_core.support.registration import register_affinely, register_roughly
from d24fad_core.support.support_set import SupportStudy

LIKENESS_SCHEMA = 2
"""Raised whenever the same studies get another likeness: kept ones are then void."""

SAME_PERSON = 0.8
"""Likeness from which two studies are taken for scans of one person."""

_DOUBTFUL = 0.63
"""Likeness from which studies are laid upon each other before it is judged: two alignments of one
person to a third differ by a little."""
_NEARLY_SAME = 0.72
"""Likeness at half the resolution from which the whole resolution decides."""
_MIRRORED = 0.5
"""Likeness, as they stand or with one turned over, from which a study may be another's mirror
image."""
_CUT = (0.5, 0.9)
"""Share of the longer of two lengths that the shorter one has where a study is part of another."""
_EDGE = 2
"""Voxels at a cut that the broad shapes beyond it would be missing for."""
_VISIBLE = 0.05


def likeness(one: StudyProfile, other: StudyProfile) -> float:
    """Correlation, -1 to 1, of what distinguishes two studies in the same frame."""
    direct = _correlation(one.detail, other.detail)
    return _registered(one, other, direct) if _is_doubtful(direct) else direct


def likenesses(profile: StudyProfile, studies: Sequence[SupportStudy]) -> tuple[float, ...]:
    """Likeness of a study to each of a support set in the same frame.

    Of those that are doubtfully alike, the likest alone is laid upon the study: a scan of the same
    person is the likest, and a registration takes longer than all correlations together.
    """
    values = [_correlation(study.profile.detail, profile.detail) for study in studies]
    doubtful = [number for number, value in enumerate(values) if _is_doubtful(value)]
    if doubtful:
        likest = max(doubtful, key=lambda number: values[number])
        values[likest] = _registered(studies[likest].profile, profile, values[likest])
    return tuple(values)


def _is_doubtful(value: float) -> bool:
    return _DOUBTFUL <= value < SAME_PERSON


def _registered(one: StudyProfile, other: StudyProfile, direct: float) -> float:
    """Likeness once the second study is laid upon the first; no less than as they stand."""
    spacing = one.picture_spacing_mm
    fixed, moving = (_image(each.picture, spacing) for each in (one, other))
    value = direct
    for register in (register_roughly, register_affinely):
        transform = register(fixed, moving, sitk.AffineTransform(3))
        if transform is not None:
            moved = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0)
            detail = detail_of(sitk.GetArrayFromImage(moved), spacing)
            value = max(value, _correlation(one.detail, detail))
        if not _NEARLY_SAME <= value < SAME_PERSON:
            break
    return value


def part_likeness(one: StudyProfile, other: StudyProfile) -> float:
    """Likeness of the part that two studies share, where one was cut off; 0 where none was."""
    lengths = [
        (_patient_span(one.picture, axis), _patient_span(other.picture, axis))
        for axis in range(one.picture.ndim)
    ]
    ratios = [min(len(a), len(b)) / max(len(a), len(b), 1) for a, b in lengths]
    if not _CUT[0] <= min(ratios) < _CUT[1]:
        return 0.0
    part = tuple(
        slice(max(a.start, b.start) + _EDGE, min(a.stop, b.stop) - _EDGE)
        if ratio < _CUT[1]
        else slice(None)
        for (a, b), ratio in zip(lengths, ratios, strict=True)
    )
    first, second = one.detail[part], other.detail[part]
    return _correlation(first - first.mean(), second - second.mean()) if first.size else 0.0


def _patient_span(picture: NDArray[np.float32], axis: int) -> range:
    """Where along an axis a picture shows the patient."""
    others = tuple(other for other in range(picture.ndim) if other != axis)
    places = np.flatnonzero((picture > _VISIBLE).mean(axis=others) > _VISIBLE)
    return range(int(places[0]), int(places[-1]) + 1) if places.size else range(0)


def mirror_likenesses(
    profile: StudyProfile, studies: Sequence[SupportStudy], frame: Frame
) -> tuple[float, ...]:
    """Likeness of the mirror image of a study to each of a support set.

    Args:
        profile: of the study.
        studies: of the support set, the first of which the frame lies on.
        frame: that all of them lie in.

    Returns:
        -1 to 1 for each; 0 for all where none is anything like it.
    """
    turned_over = replace(profile, picture=np.flip(profile.picture, _right_left(frame)))
    spacing = profile.picture_spacing_mm
    nearest = max(
        _correlation(study.profile.detail, other.detail)
        for study in studies
        for other in (profile, turned_over)
    )
    if nearest < _MIRRORED:
        return (0.0,) * len(studies)
    # The frame's own study is no more symmetric than others: what fits it mirrored lies askew.
    fixed, moving = (
        _image(np.ascontiguousarray(each), spacing)
        for each in (studies[0].profile.picture, turned_over.picture)
    )
    start = sitk.AffineTransform(3)
    start.SetCenter(
        [step * (count - 1) / 2 for step, count in zip(spacing, fixed.GetSize(), strict=True)]
    )
    transform = register_roughly(fixed, moving, start) or start
    moved = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0))
    return likenesses(replace(profile, picture=moved), studies)


def _right_left(frame: Frame) -> int:
    """Axis of a picture, (Z, Y, X), that runs from side to side of the patient."""
    sideways = np.abs(frame.coarse.GetDirection()[:3])
    return 2 - int(np.argmax(sideways))


@dataclass(frozen=True)
class MutualLikeness:
    """How alike the studies of a support set are.

    Attributes:
        alike: places in the set of every two that look like scans of one person.
        usual: what each of them reaches with another of them at least.
    """

    alike: tuple[tuple[int, int], ...]
    usual: float


def mutual_likeness(studies: Sequence[SupportStudy]) -> MutualLikeness:
    """Compare every two of at least two studies."""
    pairs = {
        (one, other): likeness(studies[one].profile, studies[other].profile)
        for one, other in combinations(range(len(studies)), 2)
    }
    return MutualLikeness(
        alike=tuple(pair for pair, value in pairs.items() if value >= SAME_PERSON),
        usual=min(
            max(value for pair, value in pairs.items() if number in pair)
            for number in range(len(studies))
        ),
    )


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float((first * second).sum() / lengths) if lengths > 0 else 0.0


def _image(picture: NDArray[np.float32], spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.GetImageFromArray(picture)
    image.SetSpacing(spacing)
    return image
