"""`python -m benchmarks.people.planting`: write the people with planted lesions of a cohort once.

Each case is CASE.nii.gz, stored as its person's study was, with CASE-mask.nii.gz; cases.json says
who it is, what was planted and in which draw. Repeat the command to go on.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from benchmarks.people.cohorts import COHORTS, Cohort, Study, draw, read_mask, read_study
from benchmarks.people.pathology import Kind, PlantedStudy, plant_pathology
from benchmarks.people.plaques import plant_plaques
from d24fad_core.files import whole_file, write_text
from d24fad_core.io.reading import read_volume

RECIPE = 1
"""Raised whenever equal draws would give other lesions than before."""
CASES_FILE = "cases.json"
PATHOLOGY, PLAQUES = "pathology", "plaques"
_FEWEST_SHOTS = 2


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
    """

    case: str
    person: str
    draw: int
    place: int
    generator: str
    kind: str
    volume_ml: float
    contrast: float


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
    cohort: Cohort, draws: int, shared: Path, masks: Path | None, out: Path
) -> list[PlantedCase]:
    """Write what is missing of a cohort's planted cases.

    Args:
        cohort: the cohort.
        draws: number of draws.
        shared: the folder of shared volumes.
        masks: the folder of brain masks, for heads.
        out: where the cases go.

    Raises:
        InputError: a study or mask cannot be read or does not fit.
    """
    cases = {case.case: case for case in read_cases(out)}
    for number in range(draws):
        for person, place, generator, kind in plan(cohort, number):
            name = f"{person}-draw{number}"
            if name in cases:
                continue
            study = read_study(cohort, person, shared, masks)
            rng = np.random.default_rng((RECIPE, number, place, len(cohort.people)))
            if kind is None:
                planted = plant_plaques(study, shared, rng)
            else:
                planted = plant_pathology(study, kind, rng)
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
            )
            _write_cases(list(cases.values()), out)
            print(cases[name], flush=True)
    return list(cases.values())


def read_cases(folder: Path) -> list[PlantedCase]:
    """The planted cases of a folder; none where there are none yet."""
    path = folder / CASES_FILE
    if not path.is_file():
        return []
    return [PlantedCase(**case) for case in json.loads(path.read_text(encoding="utf-8"))]


def _write_cases(cases: list[PlantedCase], out: Path) -> None:
    write_text(out / CASES_FILE, json.dumps([asdict(case) for case in cases], indent=1) + "\n")


def _write(source: Path, planted: PlantedStudy, out: Path, name: str) -> None:
    """Write a study as its source was stored, so that nothing but the lesion tells them apart."""
    stored = nibabel.load(source)
    header = stored.header.copy()
    header.set_data_dtype(stored.get_data_dtype())
    slope, inter = stored.dataobj.slope, stored.dataobj.inter
    array = planted.array
    if stored.get_data_dtype().kind in "iu":
        limits = np.iinfo(stored.get_data_dtype())
        raw = np.clip(np.round((array - inter) / slope), limits.min, limits.max)
        array = raw * slope + inter
        header.set_slope_inter(slope, inter)
    image = nibabel.Nifti1Image(array, stored.affine, header)
    with whole_file(out / f"{name}.nii.gz") as temporary:
        nibabel.save(image, temporary)
    mask = nibabel.Nifti1Image(planted.mask.astype(np.uint8), stored.affine)
    mask.header.set_xyzt_units("mm")
    with whole_file(out / f"{name}-mask.nii.gz") as temporary:
        nibabel.save(mask, temporary)


def read_planted(case: PlantedCase, source: Study, folder: Path) -> tuple[Study, NDArray[np.bool_]]:
    """A planted case, with its person's brain, and where its lesions are."""
    volume = read_volume(folder / f"{case.case}.nii.gz", source.volume.modality)
    return Study(volume, source.brain), read_mask(folder / f"{case.case}-mask.nii.gz", volume)


def main() -> None:
    """Plant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", choices=COHORTS, required=True)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=3)
    wanted = parser.parse_args()
    plant(COHORTS[wanted.cohort], wanted.draws, wanted.shared, wanted.masks, wanted.out)


if __name__ == "__main__":
    main()
