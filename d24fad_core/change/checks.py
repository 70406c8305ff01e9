"""Whether a prior fits a case: the same patient, the same kind of scan, the same part."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from d24fad_core.change.pair import RegisteredPair
from d24fad_core.detection.result import AnalysisWarning, WarningCode
from d24fad_core.errors import InputError
from d24fad_core.support.likeness import SAME_PERSON, likeness
from d24fad_core.support.profile import StudyProfile
from d24fad_core.volumes.reduction import block_means
from d24fad_core.volumes.volume import Volume

UNRELATED = 0.25
"""Likeness below which two studies do not show the same part of a body."""

_PICTURE_MM = 4.0
_SHARED_SHARE = 0.6
_RESOLUTION_FACTOR = 2.0


def check_kind(case: Volume, prior: Volume) -> None:
    """Refuse a prior that cannot be compared with a case.

    Raises:
        InputError: it is the case itself, or of another modality, or one was too large to be read
            whole.
    """
    for study in (case, prior):
        if study.reduction is not None:
            raise InputError(
                f"{study.name} was reduced while it was read, and small changes are lost by that",
                "crop it, or raise --reduce-above.",
            )
    if prior.source_hash == case.source_hash:
        raise InputError(
            f"the prior {prior.name} is the case itself",
            "give an earlier study of the patient.",
        )
    if prior.modality is not case.modality:
        raise InputError(
            f"{case.name} is {case.modality.value} but its prior {prior.name} is "
            f"{prior.modality.value}",
            "give an earlier study of the same kind, or correct the modality if it was guessed "
            "wrongly.",
        )


def likeness_of(pair: RegisteredPair) -> float:
    """How alike case and prior are once they lie on each other, see `support.likeness`."""
    # One value outside: an outline that both have would make any two alike.
    one, other = (
        _profile(np.where(pair.inside, part, np.median(part[pair.inside])), pair)
        for part in (pair.case, pair.prior)
    )
    return likeness(one, other)


def check_pair(
    case: Volume, prior: Volume, pair: RegisteredPair, alike: float, region: NDArray[np.bool_]
) -> tuple[AnalysisWarning, ...]:
    """What makes a comparison doubtful.

    Args:
        case: the study that is analysed.
        prior: the earlier one.
        pair: both, brought together.
        alike: their likeness.
        region: where the case shows the patient.

    Raises:
        InputError: the two do not show the same part of a body.
    """
    if alike < UNRELATED:
        raise InputError(
            f"the prior {prior.name} does not fit {case.name}: laid on each other, their likeness "
            f"is {alike:.2f}, where one patient in the same kind of scan reaches {SAME_PERSON:.2f}",
            "give an earlier study of the same patient, part of the body and sequence.",
        )
    return (
        *_later(case, prior),
        *_unlike(case, prior, alike),
        *_partial(case, prior, pair, region),
        *_resolution(case, prior),
    )


def _later(case: Volume, prior: Volume) -> Iterator[AnalysisWarning]:
    if case.acquired and prior.acquired and prior.acquired > case.acquired:
        yield AnalysisWarning(
            WarningCode.PRIOR_LATER,
            f"The headers say that the prior {prior.name} was made on a later day than "
            f"{case.name}.",
            "Exchange them: as it is, what is new is called gone, and what grew is called shrunk.",
        )


def _unlike(case: Volume, prior: Volume, alike: float) -> Iterator[AnalysisWarning]:
    if alike < SAME_PERSON:
        yield AnalysisWarning(
            WarningCode.PRIOR_UNLIKE,
            f"The prior {prior.name} and {case.name} do not look like one patient in one kind of "
            f"scan: their likeness is {alike:.2f}, where {SAME_PERSON:.2f} and more is usual.",
            "Check that it shows the same patient in the same sequence; what is marked is no "
            "change otherwise.",
        )


def _partial(
    case: Volume, prior: Volume, pair: RegisteredPair, region: NDArray[np.bool_]
) -> Iterator[AnalysisWarning]:
    share = np.count_nonzero(pair.inside) / max(np.count_nonzero(region), 1)
    if share < _SHARED_SHARE:
        yield AnalysisWarning(
            WarningCode.PRIOR_PARTIAL,
            f"Only {share:.0%} of what {case.name} shows is compared with the prior {prior.name}.",
            "Nothing is said of the rest; look there yourself.",
        )


def _resolution(case: Volume, prior: Volume) -> Iterator[AnalysisWarning]:
    own, other = max(case.spacing), max(prior.spacing)
    if max(own, other) > _RESOLUTION_FACTOR * min(own, other):
        yield AnalysisWarning(
            WarningCode.PRIOR_RESOLUTION,
            f"The slices or voxels of {case.name} and its prior {prior.name} measure {own:.1f} and "
            f"{other:.1f} mm: both were brought to the coarser, and changes smaller than that are "
            "missed.",
            "Compare it with a prior of the same resolution, if there is one.",
        )


def _profile(array: NDArray[np.float32], pair: RegisteredPair) -> StudyProfile:
    steps = [max(1, round(_PICTURE_MM / size)) for size in pair.spacing]
    factors = (steps[0], steps[1], steps[2])
    first, second, third = (size * step for size, step in zip(pair.spacing, factors, strict=True))
    picture = np.ascontiguousarray(block_means(array, factors).transpose(2, 1, 0))
    low, high = np.percentile(picture, (1.0, 99.5))
    return StudyProfile(
        spacing_mm=pair.spacing,
        extent_mm=(0.0, 0.0, 0.0),
        similarity=1.0,
        picture=np.clip((picture - low) / max(float(high - low), 1e-6), 0.0, 1.0),
        picture_spacing_mm=(first, second, third),
    )
