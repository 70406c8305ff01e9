"""What is said of a doubtful case or doubtful normals, each from what tells it alone."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.result import AnalysisWarning, WarningCode
from d24fad_core.detection.study_checks import check_study, outlier_limit
from d24fad_core.support.frame import Frame
from d24fad_core.support.profile import StudyProfile
from d24fad_core.support.support_set import SupportSet, SupportStudy
from d24fad_core.volumes.volume import Modality
from tests.support.test_likeness import picture, profile

FRAME = Frame(
    (90, 100, 80),
    np.diag([2.0, 2.0, 2.0, 1.0]),
    np.zeros(3),
    np.ones(3),
    sitk.Image([4, 4, 4], sitk.sitkFloat32),
    "hash",
)
SCORES = (3.0, 3.4, 2.8, 3.9)


def normal_profile(number: int, **changes: object) -> StudyProfile:
    similarity = 1.0 if number == 0 else 0.88 + 0.01 * number
    likeness = replace(profile(picture(number)), similarity=similarity)
    return replace(likeness, **changes)  # type: ignore[arg-type]


def support(alike: tuple[tuple[int, int], ...] = (), **changes: object) -> SupportSet:
    """Four normals; the changes are those of all profiles."""
    studies = tuple(
        SupportStudy(f"normal-{n}", str(n), normal_profile(n, **changes)) for n in range(4)
    )
    return SupportSet(
        studies,
        Modality.MR,
        FRAME,
        "body",
        True,
        ComparisonKind.WINDOW,
        (),
        (),
        alike=alike,
        usual_likeness=0.1,
    )


def warned(
    case: StudyProfile,
    normals: SupportSet | None = None,
    scores: tuple[float, ...] = SCORES,
    middle: float = 0.1,
) -> list[AnalysisWarning]:
    return list(check_study("case-7", case, normals or support(), scores, middle))


CASE = normal_profile(9, similarity=0.87)


def test_an_ordinary_case_needs_no_warning() -> None:
    assert warned(CASE) == []
    assert warned(replace(CASE, spacing_mm=(0.5, 0.5, 2.3)), support()) == []
    assert warned(CASE, middle=0.6) == []


def test_the_case_among_its_normals_is_named() -> None:
    again = replace(CASE, picture=0.4 * picture(2) + 0.1)
    (warning,) = warned(again)
    assert warning.code is WarningCode.CASE_IN_SUPPORT
    assert "case-7 and the normal study normal-2 look like scans of one person" in warning.sentence
    assert warning.remedy.startswith("Leave normal-2 out of the support")
    assert str(warning) == f"{warning.sentence} {warning.remedy}"


@pytest.mark.parametrize("share", [0.6, 0.75, 0.88])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_part_of_a_normal_is_named(axis: int, share: float) -> None:
    def part_of(number: int) -> StudyProfile:
        whole = np.moveaxis(picture(number).copy(), axis, 0)
        occupied = np.flatnonzero(whole.any(axis=(1, 2)))
        whole[occupied[0] + round(share * len(occupied)) :] = 0
        return replace(CASE, picture=np.ascontiguousarray(np.moveaxis(whole, 0, axis)))

    (warning,) = warned(part_of(2))
    assert warning.code is WarningCode.CASE_IN_SUPPORT
    assert "normal study normal-2 look like scans of one person" in warning.sentence
    assert WarningCode.CASE_IN_SUPPORT not in {each.code for each in warned(part_of(9))}


def test_a_mirror_image_among_its_normals_is_named() -> None:
    turned_over = np.ascontiguousarray(np.flip(picture(2), 2))
    (warning,) = warned(replace(CASE, picture=0.4 * turned_over + 0.1))
    assert warning.code is WarningCode.CASE_IN_SUPPORT
    assert "case-7 looks like the mirror image of the normal study normal-2" in warning.sentence
    assert warning.remedy.endswith("leave normal-2 out of the support.")
    # Front and back exchanged, a person is none of them.
    other_way = np.ascontiguousarray(np.flip(picture(2), 1))
    assert WarningCode.CASE_IN_SUPPORT not in {
        each.code for each in warned(replace(CASE, picture=other_way))
    }


def test_alike_normals_are_named() -> None:
    (warning,) = warned(CASE, support(alike=((0, 3),)))
    assert warning.code is WarningCode.SUPPORTS_ALIKE
    assert "normal-0 and normal-3 look like scans of one person" in warning.sentence


NOISE = np.random.default_rng(0).random((44, 40, 36)).astype(np.float32)


@pytest.mark.parametrize(
    ("image", "middle"), [(NOISE, 0.1), (CASE.picture, 3.5)], ids=["likeness", "middle"]
)
def test_a_study_that_differs_everywhere_is_said_to(
    image: NDArray[np.float32], middle: float
) -> None:
    (warning,) = warned(replace(CASE, picture=image), middle=middle)
    assert warning.code is WarningCode.DIFFERS_EVERYWHERE
    assert warning.sentence.startswith("This study differs from the normals everywhere")
    assert f"half of its voxels score above {middle:.1f} z" in warning.sentence


def test_what_counts_as_similar_follows_the_normals() -> None:
    """Bodies that hardly resemble one another are not strange for it."""
    noise = replace(CASE, picture=NOISE)
    assert warned(noise, replace(support(), usual_likeness=-0.1)) == []
    assert warned(noise, replace(support(), comparison=ComparisonKind.TRANSLATED)) == []


@pytest.mark.parametrize("factor", [0.01, 0.5, 1.6, 100.0])
def test_a_body_of_another_size_is_measured(factor: float) -> None:
    extent = (180.0, 200.0, 160.0 * factor)
    (warning,) = warned(replace(CASE, extent_mm=extent))
    assert warning.code is WarningCode.OTHER_SIZE
    assert f"{extent[2]:.0f} mm head-foot, where the normals have 160 mm" in warning.sentence


@pytest.mark.parametrize(("own", "usual"), [(3.0, 1.0), (6.0, 2.0), (10.0, 2.0), (2.0, 6.0)])
def test_another_slice_thickness_is_said_to_shift_the_scale(own: float, usual: float) -> None:
    case = replace(CASE, spacing_mm=(1.0, 1.0, own))
    (warning,) = warned(case, support(spacing_mm=(1.0, 1.0, usual)))
    assert warning.code is WarningCode.OTHER_RESOLUTION
    assert f"voxels of {own:.1f} mm head-foot, where the normals have {usual:.1f}" in (
        warning.sentence
    )
    assert "the scale in z does not hold" in warning.sentence


def test_resolution_beyond_the_frame_is_not_missed() -> None:
    """The network sees 2 mm here, whatever finer voxels there are."""
    assert warned(replace(CASE, spacing_mm=(0.4, 0.4, 0.4)), support(spacing_mm=(1.9,) * 3)) == []


def test_a_normal_that_stands_out_is_named() -> None:
    (warning,) = warned(CASE, scores=(3.0, 3.4, 19.8, 3.9))
    assert warning.code is WarningCode.ABNORMAL_SUPPORT
    assert "normal-2 scores 19.8 z against the others" in warning.sentence
    assert outlier_limit((3.0, 3.4, 19.8, 3.9)) < 19.8


def test_two_normals_cannot_be_told_apart() -> None:
    two = support()
    assert warned(CASE, replace(two, studies=two.studies[:2]), scores=(2.0, 30.0)) == []
