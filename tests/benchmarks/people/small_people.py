"""A few simulated people of 4 mm, as studies and as a cohort on disk."""

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from benchmarks.people.cohorts import Cohort, Study
from benchmarks.people.lesions.anatomy import Anatomy, analyse
from d24fad_core.simulation import Contrast, SimulationOptions
from d24fad_core.simulation.cohort import Role, simulate_subject

OPTIONS = SimulationOptions(contrast=Contrast.T1, spacing=(4.0, 4.0, 4.0), seed=5)
TINY = Cohort("tiny", "tiny", tuple(f"p{number}" for number in range(6)), heads=True)


@lru_cache(maxsize=16)
def person(number: int) -> Study:
    """A simulated person."""
    volume = simulate_subject(OPTIONS, Role.NORMAL, number).image
    return Study(volume, volume.array > 0)


@lru_cache(maxsize=4)
def anatomy_of(number: int) -> Anatomy:
    """What is known of a simulated person's brain."""
    return analyse(person(number))


def write_people(shared: Path, masks: Path) -> None:
    """Write the tiny cohort, with a bright skull that the brain masks leave out."""
    for number, name in enumerate(TINY.people):
        study = person(number)
        head = np.where(study.brain, study.volume.array, study.volume.array.max())
        for path, array in (
            (shared / TINY.folder / f"{name}.nii.gz", head.astype(np.float32)),
            (masks / TINY.name / f"{name}.nii.gz", study.brain.astype(np.uint8)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, study.volume.affine), path)


def write_lesions(shared: Path, affine: NDArray[Any], shape: tuple[int, int, int]) -> None:
    """Write one lesion mask for each patient of the tests: a ball in the left white matter."""
    from benchmarks.people.lesions.plaques import MASKS, PATIENTS

    indices = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
    world = indices @ affine[:3, :3].T + affine[:3, 3]
    mask = np.linalg.norm(world - LESION_MNI, axis=-1) < 9
    (shared / MASKS).mkdir(parents=True, exist_ok=True)
    first, *others = (shared / MASKS / f"patient{patient:02d}.nii.gz" for patient in PATIENTS)
    nibabel.save(nibabel.Nifti1Image(mask.astype(np.uint8), affine), first)
    for path in others:
        shutil.copyfile(first, path)


LESION_MNI = np.array([-26.0, -20.0, 28.0])
