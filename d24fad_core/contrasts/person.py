"""The scans of one person, by contrast, and which of them can be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from d24fad_core.detection.result import AnalysisWarning, WarningCode
from d24fad_core.errors import InputError, SupportError
from d24fad_core.io.known_studies import StudySource
from d24fad_core.support.support_set import MINIMUM_STUDIES

_LEAST_SHARE = 0.5
"""Share of the normals that have a contrast at least; with fewer it is left out, not they."""


@dataclass(frozen=True, eq=False)
class Person:
    """The scans of one person.

    Attributes:
        name: what to call the person in reports.
        scans: by the name of their contrast; each scan bears the person's name.
        others: names of contrasts that there are of the person and not of the case.
    """

    name: str
    scans: Mapping[str, StudySource]
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class UsableScans:
    """What can be compared.

    Attributes:
        contrasts: those that are used, the reference first.
        normals: the people who have all of them.
        warnings: what was left out.
    """

    contrasts: tuple[str, ...]
    normals: tuple[Person, ...]
    warnings: tuple[AnalysisWarning, ...]


def usable_scans(contrasts: Sequence[str], normals: Sequence[Person]) -> UsableScans:
    """Choose the contrasts that both the case and enough of the normals have.

    A contrast is left out where fewer than half of the normals have it, or fewer than two; of the
    normals, those who lack one of the others are left out.

    Args:
        contrasts: what there is of the case, the reference first.
        normals: the people to compare it with.

    Raises:
        SupportError: no contrast is left, or fewer than two people have all of them.
        InputError: two contrasts of a person are one scan.
    """
    if len(normals) < MINIMUM_STUDIES:
        raise SupportError(
            f"{len(normals)} normal people given",
            f"at least {MINIMUM_STUDIES} are needed, 4 to 8 are better.",
        )
    for person in normals:
        hashes = {contrast: scan.content_hash for contrast, scan in person.scans.items()}
        check_different(hashes, person.name)
    fewest = max(MINIMUM_STUDIES, _LEAST_SHARE * len(normals))
    numbers = {name: sum(name in person.scans for person in normals) for name in contrasts}
    usable = tuple(name for name in contrasts if numbers[name] >= fewest)
    if not usable:
        have = ", ".join(f"{name} {numbers[name]}" for name in contrasts)
        raise SupportError(
            f"of {len(normals)} normal people too few have a contrast of the case ({have})",
            f"name the scans of at least {MINIMUM_STUDIES} of them as those of the case, such as "
            f"PERSON/{contrasts[0]}.nii.gz.",
        )
    complete = tuple(person for person in normals if all(name in person.scans for name in usable))
    if len(complete) < MINIMUM_STUDIES:
        raise SupportError(
            f"only {len(complete)} of {len(normals)} normal people have all of {', '.join(usable)}",
            f"give at least {MINIMUM_STUDIES}, or fewer contrasts.",
        )
    warnings = [
        _of_case(name, numbers[name], len(normals)) for name in contrasts if name not in usable
    ]
    # What all of them have is a contrast; other files of single people may be anything.
    shared = frozenset[str].intersection(*(person.others for person in normals))
    warnings += [_of_normals(name) for name in sorted(shared)]
    warnings += [
        _of_person(person, [name for name in usable if name not in person.scans])
        for person in normals
        if person not in complete
    ]
    return UsableScans(usable, complete, tuple(warnings))


def check_different(hashes: Mapping[str, str], name: str) -> None:
    """Refuse one scan as two contrasts: it would count twice, and for one that it is not.

    Args:
        hashes: of the content of each scan, by contrast.
        name: of the person.

    Raises:
        InputError: two are equal.
    """
    contrasts: dict[str, str] = {}
    for contrast, content in hashes.items():
        if content in contrasts:
            raise InputError(
                f"{name}: {contrasts[content]} and {contrast} are the same scan",
                "give the scan of each contrast, or leave one out.",
            )
        contrasts[content] = contrast


def _of_case(contrast: str, number: int, normals: int) -> AnalysisWarning:
    return AnalysisWarning(
        WarningCode.CONTRAST_MISSING,
        f"The contrast {contrast} was left out: {number} of the {normals} normal people have it.",
        f"Add {contrast} of more of them; what it alone shows is not found.",
    )


def _of_normals(contrast: str) -> AnalysisWarning:
    return AnalysisWarning(
        WarningCode.CONTRAST_MISSING,
        f"The contrast {contrast} was left out: the normal people have it, the case has not.",
        f"Give the case's {contrast} too, if there is one; what it alone shows is not found.",
    )


def _of_person(person: Person, missing: Sequence[str]) -> AnalysisWarning:
    return AnalysisWarning(
        WarningCode.CONTRAST_MISSING,
        f"The normal person {person.name} was left out: {', '.join(missing)} is missing.",
        "Add it; more normals make the scale surer.",
    )
