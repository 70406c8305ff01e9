"""`python -m benchmarks.people.planting`: write the people with planted lesions of a cohort once.

Each case is CASE.nii.gz, stored as its person's study was, with CASE-mask.nii.gz, in which lesions
are numbered; cases.json says who it is, what was planted in which draw, and how conspicuous each
lesion is. With `--lesions clear` a person's lesions are drawn again until one of them at least is
clear. Repeat the command to go on.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from benchmarks.people.cohorts import COHORTS, Cohort, Study, Truth, draw, read_labels, read_study
from benchmarks.people.lesions.anatomy import analyse
from benchmarks.people.lesions.conspicuity import (
    Conspicuity,
    Lesions,
    is_clear,
    measure_conspicuity,
)
from benchmarks.people.lesions.pathology import Kind, PlantedStudy, plant_pathology
from benchmarks.people.lesions.plaques import plant_plaques, register_average_brain
from d24fad_core.errors import InputError
from d24fad_core.files import whole_file, write_text
from d24fad_core.io.reading import read_volume
from d24fad_core.regions import label_regions

RECIPE = 2
"""Raised whenever equal draws would give other lesions than before."""
CASES_FILE = "cases.json"
PATHOLOGY, PLAQUES = "pathology", "plaques"
_FEWEST_SHOTS = 2
_USUAL_SHOTS = 4
_ATTEMPTS = 25


@dataclass(frozen=True)
class PlantedCase:
    """A person with a planted lesion.

    Attributes:
        case: name of its files.
        person: who it is.
        draw: the draw in which this person is tested with a lesion.
        place: the person's place in the draw's order; tested wherever fewer are normals.
        generator: "pathology" or "plaques".
        kind: what was planted.
        volume_ml: volume of the mask.
        contrast: mean change inside the mask, in units of white less grey matter.
        wanted: which cases were wanted when it was planted.
        lesions: how conspicuous each lesion is; unknown of cases of the first recipe.
    """

    case: str
    person: str
    draw: int
    place: int
    generator: str
    kind: str
    volume_ml: float
    contrast: float
    wanted: Lesions = Lesions.ANY
    lesions: tuple[Conspicuity, ...] = ()


def plan(cohort: Cohort, number: int) -> Iterator[tuple[str, int, str, Kind | None]]:
    """Person, place, generator and kind of each planted case of a draw.

    The generators take turns, and so do the kinds, in an order of their own, over all draws.
    """
    kinds = list(Kind)
    order = np.random.default_rng((RECIPE, len(cohort.people))).permutation(len(kinds))
    people = draw(cohort, number)
    planted = people.planted(_FEWEST_SHOTS)
    for index, person in enumerate(planted):
        turn = number * len(planted) + index
        # Odd draws begin with the other generator, so that small tests have both.
        if (index + number) % 2 == 0:
            kind = kinds[order[(turn // 2) % len(kinds)]]
            yield person, people.order.index(person), PATHOLOGY, kind
        else:
            yield person, people.order.index(person), PLAQUES, None


def plant(
    cohort: Cohort,
    draws: int,
    shared: Path,
    masks: Path | None,
    out: Path,
    wanted: Lesions = Lesions.CLEAR,
) -> list[PlantedCase]:
    """Write what is missing of a cohort's planted cases.

    Args:
        cohort: the cohort.
        draws: number of draws.
        shared: the folder of shared volumes.
        masks: the folder of brain masks, for heads.
        out: where the cases go.
        wanted: which cases to plant.

    Raises:
        InputError: a study or mask cannot be read or does not fit; the folder's cases were planted
            otherwise; no attempt gave clear lesions.
    """
    cases = {case.case: case for case in read_cases(out, wanted)}
    plans = [(number, *each) for number in range(draws) for each in plan(cohort, number)]
    # Those who are only tested against few normals come last.
    for number, person, place, generator, kind in sorted(
        plans, key=lambda each: each[2] < _USUAL_SHOTS
    ):
        name = f"{person}-draw{number}"
        if name in cases:
            continue
        study = read_study(cohort, person, shared, masks)
        rng = np.random.default_rng((RECIPE, number, place, len(cohort.people)))
        planted, lesions = _plant_study(study, kind, shared, rng, wanted)
        _write(shared / cohort.folder / f"{person}.nii.gz", planted, out, name)
        cases[name] = PlantedCase(
            name,
            person,
            number,
            place,
            generator,
            planted.kind,
            round(float(planted.mask.sum() * study.volume.voxel_ml), 3),
            round(planted.contrast, 3),
            wanted,
            lesions,
        )
        _write_cases(list(cases.values()), out)
        clear = sum(lesion.clear for lesion in lesions)
        print(
            f"{name}: {planted.kind}, {cases[name].volume_ml:.1f} ml, {len(lesions)} lesions, "
            f"{clear} clear",
            flush=True,
        )
    return list(cases.values())


def _plant_study(
    study: Study, kind: Kind | None, shared: Path, rng: np.random.Generator, wanted: Lesions
) -> tuple[PlantedStudy, tuple[Conspicuity, ...]]:
    """Plant a kind of pathology, or plaques for None, until it is as wanted.

    Kinds that are hardly ever clear give way to the next one.
    """
    anatomy = analyse(study)
    plantings: list[Callable[[], PlantedStudy]]
    if kind is None:
        to_average = register_average_brain(study)
        plantings = [partial(plant_plaques, study, anatomy, to_average, shared, rng)]
    else:
        kinds = list(Kind)
        following = [kinds[(kinds.index(kind) + step) % len(kinds)] for step in range(len(kinds))]
        plantings = [partial(plant_pathology, study, anatomy, each, rng) for each in following]
    for planting in plantings:
        for _ in range(_ATTEMPTS):
            planted = planting()
            lesions = measure_conspicuity(anatomy, planted.array, planted.mask)
            if wanted is Lesions.ANY or is_clear(lesions):
                return planted, lesions
    raise InputError(
        f"{study.volume.name}: {_ATTEMPTS} attempts with each kind gave no clear lesion",
        "check that the mask is a brain and the study a T1, or give --lesions "
        f"{Lesions.ANY.value}.",
    )


def read_cases(folder: Path, wanted: Lesions | None = None) -> list[PlantedCase]:
    """The planted cases of a folder; none where there are none yet.

    Args:
        folder: where they are.
        wanted: which cases are wanted; None takes them as they are.

    Raises:
        InputError: they were planted otherwise than wanted.
    """
    path = folder / CASES_FILE
    if not path.is_file():
        return []
    cases = [_as_case(document) for document in json.loads(path.read_text(encoding="utf-8"))]
    for case in cases:
        if wanted is not None and case.wanted is not wanted:
            raise InputError(
                f"{folder} has cases that were planted with --lesions {case.wanted.value}, and "
                f"--lesions {wanted.value} is wanted",
                f"give --lesions {case.wanted.value}, or another folder.",
            )
    return cases


def _as_case(document: dict[str, Any]) -> PlantedCase:
    lesions = tuple(Conspicuity(**lesion) for lesion in document.pop("lesions", ()))
    wanted = Lesions(document.pop("wanted", Lesions.ANY))
    return PlantedCase(**document, wanted=wanted, lesions=lesions)


def _write_cases(cases: list[PlantedCase], out: Path) -> None:
    write_text(out / CASES_FILE, json.dumps([asdict(case) for case in cases], indent=1) + "\n")


def _write(source: Path, planted: PlantedStudy, out: Path, name: str) -> None:
    """Write a study as its source was stored, so that nothing but the lesion tells them apart."""
    source_image = nibabel.load(source)
    header = source_image.header.copy()
    header.set_data_dtype(source_image.get_data_dtype())
    slope, inter = source_image.dataobj.slope, source_image.dataobj.inter
    array = planted.array
    if source_image.get_data_dtype().kind in "iu":
        limits = np.iinfo(source_image.get_data_dtype())
        raw = np.clip(np.round((array - inter) / slope), limits.min, limits.max)
        array = raw * slope + inter
        header.set_slope_inter(slope, inter)
    image = nibabel.Nifti1Image(array, source_image.affine, header)
    with whole_file(out / f"{name}.nii.gz") as temporary:
        nibabel.save(image, temporary)
    lesions = label_regions(planted.mask).astype(np.uint16)
    mask = nibabel.Nifti1Image(lesions, source_image.affine)
    mask.header.set_xyzt_units("mm")
    with whole_file(out / f"{name}-mask.nii.gz") as temporary:
        nibabel.save(mask, temporary)


def read_planted(case: PlantedCase, source: Study, folder: Path) -> tuple[Study, Truth]:
    """A planted case, with its person's brain, and where its lesions are."""
    volume = read_volume(folder / f"{case.case}.nii.gz", source.volume.modality)
    labels = read_labels(folder / f"{case.case}-mask.nii.gz", volume)
    clear = np.isin(labels, [lesion.lesion for lesion in case.lesions if lesion.clear])
    return Study(volume, source.brain), Truth(labels > 0, clear)


def main() -> None:
    """Plant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", choices=COHORTS, required=True)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=3)
    add_lesions(parser)
    arguments = parser.parse_args()
    plant(
        COHORTS[arguments.cohort],
        arguments.draws,
        arguments.shared,
        arguments.masks,
        arguments.out,
        Lesions(arguments.lesions),
    )


def add_lesions(parser: argparse.ArgumentParser) -> None:
    """Add the option `--lesions`."""
    parser.add_argument(
        "--lesions",
        choices=[lesions.value for lesions in Lesions],
        default=Lesions.CLEAR.value,
        help="people with at least one clear lesion and 1 ml in all, or whatever is drawn",
    )


if __name__ == "__main__":
    main()
