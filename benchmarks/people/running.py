"""Scoring cases: each method on each case of each draw, once."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.people.cohorts import (
    COHORTS,
    Cohort,
    Study,
    Truth,
    draw,
    read_study,
    resample,
)
from benchmarks.people.lesions.conspicuity import Lesions
from benchmarks.people.methods import make_method, method_name
from benchmarks.people.planting import PlantedCase, read_cases, read_planted
from benchmarks.people.real import REAL_CASES, read_real_case, simulated_normals
from benchmarks.people.scores import CaseFigures, compare, is_done, write_case
from d24fad_core.errors import InputError

REAL = "real"
AS_IS, BRAIN_ALONE = "as-is", "brain-alone"


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        cohort: "ixi", "ds002748" or "real".
        shots: number of normals.
        draws: number of draws of the normals.
        shared: the folder of shared volumes.
        masks: the folder of brain masks, for heads.
        planted: the folder with a folder of planted cases for each cohort.
        out: where results go.
        spacing: voxel size to bring studies to, mm; None leaves them as they are.
        brain_alone: hand the methods brains instead of heads.
        lesions: which planted cases to test.
    """

    cohort: str
    shots: int
    draws: int
    shared: Path
    masks: Path | None
    planted: Path
    out: Path
    spacing: float | None = None
    brain_alone: bool = False
    lesions: Lesions = Lesions.CLEAR

    @property
    def handed(self) -> str:
        """Name of what the methods are handed."""
        size = "" if self.spacing is None else f"-{self.spacing:g}mm"
        grid = f"{BRAIN_ALONE if self.brain_alone else AS_IS}{size}"
        return grid if self.cohort == REAL else f"{self.lesions.value}-{grid}"

    def folder(self, number: int, method: str) -> Path:
        """Where the scores of a draw and a method are."""
        shots = f"K{self.shots}"
        return self.out / self.cohort / self.handed / shots / f"draw{number}" / method


@dataclass(frozen=True, eq=False)
class TestCase:
    """A case to score, read when it is wanted.

    Attributes:
        name: of the case.
        person: who it is.
        generator: what planted its lesions; "" for an untouched person.
        kind: what they are.
        read: gives study and truth.
        normals: names the normals that it is compared with.
        read_normals: gives them.
    """

    name: str
    person: str
    generator: str
    kind: str
    read: Callable[[], tuple[Study, Truth]]
    normals: str
    read_normals: Callable[[], list[Study]]


def list_cases(settings: Settings, number: int) -> list[TestCase]:
    """The cases of a draw: untouched people, then those with lesions.

    Raises:
        InputError: planted cases are missing, or others than wanted.
        ConfigurationError: so many normals leave nobody to test.
    """
    if settings.cohort == REAL:
        return _real_cases(settings, number)
    return _people(settings, COHORTS[settings.cohort], number)


def run(settings: Settings, methods: Sequence[str]) -> None:
    """Score what is missing.

    Raises:
        InputError: a file is missing or damaged.
        ConfigurationError: there is no such method, or no masks of heads.
    """
    for name in methods:
        short = method_name(name)
        method = None
        for number in range(settings.draws):
            folder = settings.folder(number, short)
            normals: tuple[str, list[Study]] | None = None
            for case in list_cases(settings, number):
                if is_done(folder, case.name):
                    continue
                method = method or make_method(name)
                if normals is None or normals[0] != case.normals:
                    studies = case.read_normals()
                    normals = (case.normals, [_handed(study, settings) for study in studies])
                study, truth = case.read()
                study = _handed(study, settings)
                start = time.perf_counter()
                score = method.score(study, normals[1])
                seconds = time.perf_counter() - start
                figures = CaseFigures(
                    case.name,
                    case.person,
                    case.generator,
                    case.kind,
                    *(0.0,) * 7,
                    findings=0,
                    seconds=round(seconds, 2),
                )
                scored = compare(figures, study, truth, score)
                write_case(folder, scored)
                print(f"{folder}: {case.name} {case.kind} {seconds:.0f} s", flush=True)


def _handed(study: Study, settings: Settings) -> Study:
    return study.alone if settings.brain_alone else study


def _people(settings: Settings, cohort: Cohort, number: int) -> list[TestCase]:
    division = draw(cohort, number)
    folder = settings.planted / cohort.name
    planted = {
        case.person: case for case in read_cases(folder, settings.lesions) if case.draw == number
    }
    missing = [name for name in division.planted(settings.shots) if name not in planted]
    if missing:
        raise InputError(
            f"{folder} has no planted case of {', '.join(missing)} in draw {number}",
            f"run python -m benchmarks.people.planting --cohort {cohort.name} --lesions "
            f"{settings.lesions.value} --out {folder} with --draws {number + 1} or more, or name "
            "another folder with --planted.",
        )

    def source(person: str) -> Study:
        return read_study(cohort, person, settings.shared, settings.masks)

    def untouched(person: str) -> tuple[Study, Truth]:
        study = source(person)
        nowhere = Truth.unmeasured(np.zeros(study.volume.shape, bool))
        return _at_spacing(study, nowhere, settings.spacing)

    def with_lesion(case: PlantedCase) -> tuple[Study, Truth]:
        study, truth = read_planted(case, source(case.person), folder)
        return _at_spacing(study, truth, settings.spacing)

    def normals() -> list[Study]:
        return [untouched(person)[0] for person in division.support(settings.shots)]

    group = f"draw {number}"
    tests = [
        TestCase(person, person, "", "", partial(untouched, person), group, normals)
        for person in division.untouched(settings.shots)
    ]
    for person in division.planted(settings.shots):
        case = planted[person]
        read = partial(with_lesion, case)
        tests.append(TestCase(case.case, person, case.generator, case.kind, read, group, normals))
    return tests


def _at_spacing(study: Study, truth: Truth, spacing: float | None) -> tuple[Study, Truth]:
    if spacing is None:
        return study, truth
    volume, brain = resample(study.volume, study.brain, spacing)
    inside, clear = (
        resample(study.volume, mask, spacing)[1] for mask in (truth.inside, truth.clear)
    )
    return Study(volume, brain, study.bright), Truth(inside, clear)


def _real_cases(settings: Settings, number: int) -> list[TestCase]:
    cohorts = settings.out / REAL / "simulated"
    return [
        TestCase(
            case.name,
            case.person,
            REAL,
            case.kind,
            partial(read_real_case, case, settings.shared),
            f"{case.contrast.value}, draw {number}",
            partial(simulated_normals, case.contrast, number, settings.shots, cohorts),
        )
        for case in sorted(REAL_CASES, key=lambda case: case.contrast.value)
    ]


def scored_folders(settings: Settings) -> Iterator[tuple[str, int, Path]]:
    """Method, draw and folder of each method that has scored a draw."""
    for number in range(settings.draws):
        parent = settings.folder(number, "method").parent
        if parent.is_dir():
            for folder in sorted(path for path in parent.iterdir() if path.is_dir()):
                yield folder.name, number, folder
