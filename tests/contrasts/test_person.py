"""Which contrasts and which normal people are used, and what is said of the others."""

from dataclasses import replace

import pytest

from d24fad_core.contrasts.person import Person, usable_scans
from d24fad_core.detection.result import WarningCode
from d24fad_core.errors import InputError, SupportError
from tests.detection.small_studies import study


def person(number: int, *contrasts: str, others: frozenset[str] = frozenset()) -> Person:
    scans = {name: study(number + 20 * place) for place, name in enumerate(contrasts)}
    return Person(f"person-{number}", scans, others)


def test_what_all_have_is_used_and_nothing_said() -> None:
    usable = usable_scans(["flair", "t1"], [person(n, "flair", "t1") for n in range(3)])
    assert usable.contrasts == ("flair", "t1")
    assert [each.name for each in usable.normals] == ["person-0", "person-1", "person-2"]
    assert usable.warnings == ()


def test_a_contrast_that_few_normals_have_is_left_out() -> None:
    normals = [person(0, "flair", "t1"), *(person(n, "flair") for n in range(1, 4))]
    usable = usable_scans(["t1", "flair"], normals)
    assert usable.contrasts == ("flair",)
    assert len(usable.normals) == 4
    (warning,) = usable.warnings
    assert warning.code is WarningCode.CONTRAST_MISSING
    assert "t1" in warning.sentence and "1 of the 4" in warning.sentence and warning.remedy


def test_a_normal_person_without_a_contrast_is_left_out() -> None:
    normals = [person(0, "flair"), *(person(n, "flair", "t1") for n in range(1, 4))]
    usable = usable_scans(["flair", "t1"], normals)
    assert usable.contrasts == ("flair", "t1")
    assert [each.name for each in usable.normals] == ["person-1", "person-2", "person-3"]
    assert "person-0" in usable.warnings[0].sentence and "t1" in usable.warnings[0].sentence


def test_a_contrast_that_the_case_lacks_is_named_where_all_normals_have_it() -> None:
    normals = [
        person(n, "flair", others=frozenset({"t2", "notes"} if n else {"t2"})) for n in range(3)
    ]
    (warning,) = usable_scans(["flair"], normals).warnings
    assert warning.code is WarningCode.CONTRAST_MISSING
    assert "t2" in warning.sentence and "the case has not" in warning.sentence


@pytest.mark.parametrize(
    ("normals", "message"),
    [
        ([person(0, "flair")], "at least 2"),
        ([person(0, "t1"), person(1, "t1"), person(2, "flair")], "too few"),
    ],
)
def test_too_few_normals_are_refused(normals: list[Person], message: str) -> None:
    with pytest.raises(SupportError, match=message):
        usable_scans(["flair"], normals)


def test_two_people_with_different_contrasts_are_refused() -> None:
    normals = [person(0, "a", "b"), person(1, "b", "c"), person(2, "a", "c")]
    with pytest.raises(SupportError, match="only 0 of 3"):
        usable_scans(["a", "b", "c"], normals)


def test_one_scan_as_two_contrasts_is_refused() -> None:
    twice = Person("person-0", {"flair": study(0), "t1": replace(study(0), name="other")})
    with pytest.raises(InputError, match="person-0: flair and t1 are the same scan"):
        usable_scans(["flair", "t1"], [twice, person(1, "flair", "t1"), person(2, "flair", "t1")])
