"""Whether an analysis can be trusted: what is strange about a case or about its normals.

Limits of likeness rest on 24 real heads (IXI) and 12 brains (ds002748), the middle score on a few
of the former, size and resolution on no measurement; see `tests/detection/test_real_people.py`.
"""

from collections.abc import Iterator, Sequence
from statistics import median

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.result import AnalysisWarning, WarningCode
from d24fad_core.side_by_side import side_by_side
from d24fad_core.support.likeness import (
    SAME_PERSON,
    likenesses,
    mirror_likenesses,
    part_likeness,
)
from d24fad_core.support.profile import StudyProfile
from d24fad_core.support.support_set import SupportSet

OUTLIER_LIMIT = 3.5
"""Modified z-score (Iglewicz and Hoaglin 1993) above which a normal is an outlier of its set."""

_SPREAD_FLOOR = 0.5
"""With few studies the median deviation may be next to nothing; below this share of the median
score it says nothing about the studies."""
_FEWEST_FOR_OUTLIERS = 3

_RESOLUTION_FACTOR = 1.4
_SIZE_FACTOR = 1.5
_LIKENESS_SHARE = 0.5
"""Share of the normals' own likeness that a case reaches at least. Any of 36 real people reaches
.71 with 4 others, and .31 in all; upside down .11, noise in the shape of a head .18. Plain
correlation does not tell them apart: broad shapes alone give such noise .86, people .92."""
_MIDDLE_SCORE = 1.0
"""z that half of a case's voxels reach only where it differs as a whole. The share above the
threshold does not tell noise in the shape of a head (9 %) from a large lesion; this does."""

_DIRECTIONS = ("right-left", "front-back", "head-foot")


def outlier_limit(scores: Sequence[float]) -> float:
    """Score above which one of a set's leave-one-out scores stands out from the others."""
    middle = median(scores)
    deviation = 1.4826 * median(abs(score - middle) for score in scores)
    return middle + OUTLIER_LIMIT * max(deviation, _SPREAD_FLOOR * abs(middle))


def check_study(
    name: str,
    profile: StudyProfile,
    support: SupportSet,
    normal_scores: Sequence[float],
    middle_score: float,
) -> tuple[AnalysisWarning, ...]:
    """Everything that makes the result of a case doubtful.

    Args:
        name: of the case.
        profile: of the case in the support's frame.
        support: the normals.
        normal_scores: their leave-one-out case scores.
        middle_score: median over the case's foreground, z units.
    """
    as_a_whole, mirrored = side_by_side(
        lambda: likenesses(profile, support.studies),
        lambda: mirror_likenesses(profile, support.studies, support.frame),
    )
    in_part = [
        max(alike, part_likeness(study.profile, profile))
        for study, alike in zip(support.studies, as_a_whole, strict=True)
    ]
    return (
        *_same_person(name, in_part, support),
        *_mirror_image(name, mirrored, in_part, support),
        *_everywhere(max(as_a_whole), support, middle_score),
        *_size(profile, support),
        *_resolution(profile, support),
        *_supports_alike(support),
        *_abnormal_supports(support, normal_scores),
    )


def _same_person(
    name: str, in_part: Sequence[float], support: SupportSet
) -> Iterator[AnalysisWarning]:
    for study, alike in zip(support.studies, in_part, strict=True):
        if alike >= SAME_PERSON:
            yield AnalysisWarning(
                WarningCode.CASE_IN_SUPPORT,
                f"{name} and the normal study {study.name} look like scans of one person: their "
                f"likeness is {alike:.2f}, where two people stay below {SAME_PERSON:.2f}.",
                f"Leave {study.name} out of the support; whatever it shows counts as normal.",
            )


def _mirror_image(
    name: str, mirrored: Sequence[float], in_part: Sequence[float], support: SupportSet
) -> Iterator[AnalysisWarning]:
    for study, alike, turned_over in zip(support.studies, in_part, mirrored, strict=True):
        if turned_over >= SAME_PERSON > alike:
            yield AnalysisWarning(
                WarningCode.CASE_IN_SUPPORT,
                f"{name} looks like the mirror image of the normal study {study.name}: with left "
                f"and right exchanged their likeness is {turned_over:.2f}, where two people stay "
                f"below {SAME_PERSON:.2f}.",
                f"Check which side is left in both, and leave {study.name} out of the support.",
            )


def _everywhere(
    alike: float, support: SupportSet, middle_score: float
) -> Iterator[AnalysisWarning]:
    usual = support.usual_likeness
    # Translated normals are from another scanner or sequence, which looks like nobody of them.
    strange = alike < _LIKENESS_SHARE * usual and (
        support.comparison is not ComparisonKind.TRANSLATED
    )
    if strange or middle_score > _MIDDLE_SCORE:
        yield AnalysisWarning(
            WarningCode.DIFFERS_EVERYWHERE,
            f"This study differs from the normals everywhere: its likeness to the nearest of them "
            f"is {alike:.2f}, where they have {usual:.2f} and more with one another, and half of "
            f"its voxels score above {middle_score:.1f} z.",
            "Check that it shows the same part of the body, the right way up, in the same kind of "
            "scan as the normals; neither its findings nor their absence mean anything otherwise.",
        )


def _size(profile: StudyProfile, support: SupportSet) -> Iterator[AnalysisWarning]:
    factors = [
        _factor(own, median(study.profile.extent_mm[axis] for study in support.studies))
        for axis, own in enumerate(profile.extent_mm)
    ]
    if max(factors) > _SIZE_FACTOR:
        axis = factors.index(max(factors))
        usual = median(study.profile.extent_mm[axis] for study in support.studies)
        yield AnalysisWarning(
            WarningCode.OTHER_SIZE,
            f"The body in this study measures {profile.extent_mm[axis]:.0f} mm "
            f"{_DIRECTIONS[axis]}, where the normals have {usual:.0f} mm.",
            "Check the voxel size in its header, and that it shows as much of the body as the "
            "normals do.",
        )


def _resolution(profile: StudyProfile, support: SupportSet) -> Iterator[AnalysisWarning]:
    # What is finer than the frame is not seen.
    seen = support.frame.spacing
    for axis, own in enumerate(profile.spacing_mm):
        usual = median(study.profile.spacing_mm[axis] for study in support.studies)
        if _factor(max(own, seen[axis]), max(usual, seen[axis])) > _RESOLUTION_FACTOR:
            yield AnalysisWarning(
                WarningCode.OTHER_RESOLUTION,
                f"This study has voxels of {own:.1f} mm {_DIRECTIONS[axis]}, where the normals "
                f"have {usual:.1f} mm: a difference in resolution raises scores all over, and the "
                "scale in z does not hold.",
                "Compare it with normals of the same slice thickness and resolution.",
            )
            return


def _supports_alike(support: SupportSet) -> Iterator[AnalysisWarning]:
    for one, other in support.alike:
        yield AnalysisWarning(
            WarningCode.SUPPORTS_ALIKE,
            f"The normal studies {support.studies[one].name} and "
            f"{support.studies[other].name} look like scans of one person, so that scale "
            "and p-value rest on fewer people than are counted.",
            "Keep one of them.",
        )


def _abnormal_supports(support: SupportSet, scores: Sequence[float]) -> Iterator[AnalysisWarning]:
    if len(scores) < _FEWEST_FOR_OUTLIERS:
        return
    limit = outlier_limit(scores)
    for study, score in zip(support.studies, scores, strict=True):
        if score > limit:
            yield AnalysisWarning(
                WarningCode.ABNORMAL_SUPPORT,
                f"The normal study {study.name} scores {score:.1f} z against the others, which is "
                f"beyond {limit:.1f} z, the limit of this set.",
                "Look whether it is normal; if not, it hides lesions like its own and raises the "
                "threshold for all.",
            )


def _factor(value: float, usual: float) -> float:
    return max(value, usual) / max(min(value, usual), 1e-9)
