"""Little cohorts of noisy boxes, with a bright cube where a lesion is."""

from pathlib import Path

import nibabel as nib
import numpy as np

from tests.cli.small_studies import write_study

LESION = (slice(14, 18), slice(8, 12), slice(5, 8))


def write_mask(case: Path, path: Path) -> None:
    """The mask of a study that `write_study` wrote with a lesion."""
    image = nib.load(case)
    mask = np.zeros(image.shape, np.uint8)
    mask[LESION] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(mask, image.affine), path)


def write_cohort(folder: Path, seed: int) -> Path:
    """Three normals, a normal case and one with a lesion."""
    for number in range(3):
        write_study(folder / "support" / f"normal-{number}.nii.gz", seed=seed + number)
    write_study(folder / "cases" / "plain.nii.gz", seed=seed + 10)
    sick = folder / "cases" / "sick.nii.gz"
    write_study(sick, seed=seed + 20, lesion=True)
    write_mask(sick, folder / "masks" / sick.name)
    return folder
