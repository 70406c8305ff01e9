"""Who is tested, and with which lesions, in words that stand above the tables."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.people.cohorts import COHORTS
from benchmarks.people.lesions.conspicuity import (
    CLEAR_CASE_ML,
    CLEAR_CHANGE,
    CLEAR_CONTRAST,
    CLEAR_ML,
    CLEAR_VISIBILITY,
    Conspicuity,
    Lesions,
)
from benchmarks.people.planting import PlantedCase, read_cases
from benchmarks.people.running import Settings, list_cases


def describe_cases(settings: Settings) -> list[str]:
    """Describe the people and lesions of a cohort's draws, as lines of a list.

    Raises:
        InputError: planted cases are missing, or others than wanted.
    """
    cohort = COHORTS[settings.cohort]
    tests = [list_cases(settings, number) for number in range(settings.draws)]
    known = {case.case: case for case in read_cases(settings.planted / cohort.name)}
    planted = [known[case.name] for draw in tests for case in draw if case.generator]
    with_lesion = [sum(1 for case in draw if case.generator) for draw in tests]
    untouched = [len(draw) - count for draw, count in zip(tests, with_lesion, strict=True)]
    generators = Counter(case.generator for case in planted)
    sources = ", ".join(f"{count} {name}" for name, count in sorted(generators.items()))
    study = "whole heads" if cohort.heads else "brains alone"
    voxels = "as stored" if settings.spacing is None else f"of {settings.spacing:g} mm or more"
    return [
        f"- {len(cohort.people)} healthy people of one scanner, {study}, voxels {voxels}.",
        f"- Draws: {settings.draws}, each with {settings.shots} normals, {_span(untouched)} "
        f"untouched people and {_span(with_lesion)} with planted lesions "
        f"(`--lesions {settings.lesions.value}`; by generator: {sources}).",
        *_describe_lesions(planted),
    ]


def _describe_lesions(planted: Sequence[PlantedCase]) -> list[str]:
    volumes = [case.volume_ml for case in planted]
    lesions = [lesion for case in planted for lesion in case.lesions]
    clear = [lesion for lesion in lesions if lesion.clear]
    lines = [f"- Lesions of a person: {_range(volumes, '.1f')} ml in all."]
    if not lesions:
        return [*lines, "- How conspicuous they are has not been measured."]
    people = sum(1 for case in planted if any(lesion.clear for lesion in case.lesions))
    lines.append(
        f"- {len(lesions)} lesions, {len(clear)} of them clear, in {people} of {len(planted)} "
        f"cases; the clear ones hold {_share(clear, lesions)} of the volume."
    )
    if clear:
        lines.append(
            f"- A clear lesion: {_range([each.volume_ml for each in clear], '.1f')} ml; contrast "
            f"to the tissue around it {_range([abs(each.contrast) for each in clear], '.2f')} of "
            "white less grey matter, contrast-to-noise ratio "
            f"{_range([each.contrast_to_noise for each in clear], '.1f')}."
        )
    lines.append(
        f"- Clear is what has {CLEAR_ML:g} ml, changes its place by {CLEAR_CHANGE:g} and differs "
        f"from the tissue around by {CLEAR_CONTRAST:g} of white less grey matter, and has a "
        f"visibility of {CLEAR_VISIBILITY:g} (Rose), each at least; the rest is faint. "
        f"`--lesions {Lesions.CLEAR.value}` plants one clear lesion and {CLEAR_CASE_ML:g} ml in "
        "all, at least."
    )
    return lines


def _share(some: Sequence[Conspicuity], everything: Sequence[Conspicuity]) -> str:
    volume, whole = (sum(each.volume_ml for each in part) for part in (some, everything))
    return f"{volume / whole:.0%}"


def _range(values: Sequence[float], form: str) -> str:
    middle, low, high = float(np.median(values)), min(values), max(values)
    return f"median {middle:{form}} ({low:{form}} to {high:{form}})"


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"
