"""Real lesions against simulated normals: MS on FLAIR, two gliomas on FLAIR and with gadolinium.

No real normals of these contrasts could be had, so the normals are simulated from the ICBM average
brain, of the case's own weighting: say so wherever the results stand.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks.people.cohorts import Study, Truth
from d24fad_core.io.reading import find_studies, read_volume
from d24fad_core.simulation import Contrast, SimulationOptions, simulate_cohort
from d24fad_core.volumes.volume import Modality, Volume

_SPACING_MM = 2.0
_FIRST_SEED = 7


@dataclass(frozen=True)
class RealCase:
    """A patient's study with a mask of the lesions.

    Attributes:
        name: what to call it.
        person: the patient.
        image, mask, brain: files under the folder of shared volumes; None where the brain is what
            has signal.
        contrast: of the normals.
        kind: what the lesion is.
    """

    name: str
    person: str
    image: str
    mask: str
    brain: str | None
    contrast: Contrast
    kind: str


REAL_CASES = (
    RealCase(
        "ms07-flair",
        "ms07",
        "ms_patient07/flair.nii.gz",
        "ms_patient07/lesions.nii.gz",
        None,
        Contrast.FLAIR,
        "MS, FLAIR",
    ),
    *(
        RealCase(
            f"glioma-{patient}-{image.replace('_', '-')}",
            f"glioma-{patient}",
            f"glioma/{patient}/{image}.nii.gz",
            f"glioma/{patient}/labels.nii.gz",
            f"glioma/{patient}/brainmask.nii.gz",
            contrast,
            f"glioma, {words}",
        )
        for patient in ("pat0005", "pat0006")
        for image, contrast, words in (
            ("flair", Contrast.FLAIR, "FLAIR"),
            ("t1_gadolinium", Contrast.T1, "T1 with gadolinium"),
        )
    ),
)


def read_real_case(case: RealCase, shared: Path) -> tuple[Study, Truth]:
    """Study and truth of a real case; signal is at least 0, and 0 outside the brain.

    Raises:
        InputError: a file is missing or damaged.
    """
    volume = read_volume(shared / case.image, Modality.MR)
    truth = read_volume(shared / case.mask, Modality.MR).array > 0.5
    if case.brain is None:
        brain = ndimage.binary_fill_holes(volume.array > 0)
        array = np.maximum(volume.array, 0)
    else:
        brain = read_volume(shared / case.brain, Modality.MR).array > 0.5
        # BraTS scales brains to mean 0; a brain's darkest voxel becomes 0 again.
        array = volume.array - volume.array[brain].min()
    array = np.where(brain, array, 0).astype(np.float32)
    study = Study(
        replace(volume, array=array, name=case.name),
        np.asarray(brain, bool),
        bright=case.contrast is Contrast.FLAIR,
    )
    return study, Truth.unmeasured(truth)


def simulated_normals(contrast: Contrast, draw: int, shots: int, folder: Path) -> list[Study]:
    """Simulated normals of a contrast; each draw has a seed of its own.

    Args:
        contrast: their weighting.
        draw: number of the draw.
        shots: how many; the first ones are the same for every number.
        folder: where they are kept.
    """
    seed = _FIRST_SEED + draw
    cohort = folder / f"{contrast.value}-seed{seed}"
    spacing = (_SPACING_MM,) * 3
    simulate_cohort(cohort, SimulationOptions(contrast, max(shots, 2), 0, 0, spacing, seed))
    volumes = [read_volume(path) for path in find_studies(cohort / "support")[:shots]]
    return [_as_study(volume, contrast) for volume in volumes]


def _as_study(volume: Volume, contrast: Contrast) -> Study:
    brain = np.asarray(ndimage.binary_fill_holes(volume.array > 0), bool)
    return Study(volume, brain, bright=contrast is Contrast.FLAIR)
