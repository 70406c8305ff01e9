"""Who is tested: real people of two scanners, and how each draw divides them."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from d24fad_core.errors import ConfigurationError, InputError
from d24fad_core.io.reading import read_volume
from d24fad_core.support.frame import to_simpleitk
from d24fad_core.volumes.volume import Modality, Volume

SHOTS = (2, 4, 8)
"""Numbers of normals that are measured."""


@dataclass(frozen=True)
class Cohort:
    """Healthy people of one scanner who only ever test.

    Attributes:
        name: what to call it.
        folder: their studies, under the folder of shared volumes.
        people: names of the studies.
        heads: whether the studies show whole heads, so that brain masks have to be given.
    """

    name: str
    folder: str
    people: tuple[str, ...]
    heads: bool


IXI = Cohort(
    "ixi",
    "normal_t1_ixi",
    tuple(
        f"IXI{number:03d}"
        for number in (
            *(33, 59, 92, 126, 137, 150, 167, 206, 212, 262, 275, 334),
            *(353, 354, 357, 385, 437, 515, 522, 566, 600, 601, 606, 613),
        )
    ),
    heads=True,
)
DS002748 = Cohort(
    "ds002748",
    "normal_t1_ds002748",
    tuple(f"sub-{number}" for number in range(52, 64)),
    heads=False,
)
COHORTS = {cohort.name: cohort for cohort in (IXI, DS002748)}


@dataclass(frozen=True)
class Draw:
    """One division of a cohort into normals, people with a planted lesion and untouched people.

    With more normals fewer people are tested; those who are keep their part, so that numbers of
    normals can be compared on the same cases.

    Attributes:
        number: seeds the division; nothing else does.
        order: all people in drawn order.
    """

    number: int
    order: tuple[str, ...]

    def support(self, shots: int) -> tuple[str, ...]:
        """The people who are normals, where `shots` are wanted."""
        if not 2 <= shots <= len(self.order) - 2:
            raise ConfigurationError(
                f"{shots} normals of {len(self.order)} people leave nobody to test",
                f"give 2 to {len(self.order) - 2}.",
            )
        return self.order[:shots]

    def untouched(self, shots: int) -> tuple[str, ...]:
        """The people who are tested as they are."""
        return self._tested(shots, 0)

    def planted(self, shots: int) -> tuple[str, ...]:
        """The people who are tested with a lesion."""
        return self._tested(shots, 1)

    def _tested(self, shots: int, parity: int) -> tuple[str, ...]:
        count = len(self.support(shots))
        return tuple(
            person
            for place, person in enumerate(self.order)
            if place >= count and place % 2 == parity
        )


def draw(cohort: Cohort, number: int) -> Draw:
    """Divide a cohort; the same number always gives the same division."""
    order = np.random.default_rng((number, len(cohort.people))).permutation(len(cohort.people))
    return Draw(number, tuple(cohort.people[index] for index in order))


@dataclass(frozen=True, eq=False)
class Study:
    """A study and where its brain is.

    Attributes:
        volume: the study.
        brain: True in the brain, on its grid.
        bright: whether lesions can only be bright, as on FLAIR; on T1 they are bright or dark.
    """

    volume: Volume
    brain: NDArray[np.bool_]
    bright: bool = False

    @cached_property
    def alone(self) -> "Study":
        """The same study, 0 outside the brain."""
        array = np.where(self.brain, self.volume.array, 0).astype(np.float32)
        return replace(self, volume=replace(self.volume, array=array))


@dataclass(frozen=True, eq=False)
class Truth:
    """Where a study's lesions are, on its grid.

    Attributes:
        inside: True inside lesions.
        clear: True inside clear lesions; nowhere, where nobody has measured that.
    """

    inside: NDArray[np.bool_]
    clear: NDArray[np.bool_]

    @classmethod
    def unmeasured(cls, inside: NDArray[np.bool_]) -> "Truth":
        """Lesions of which nobody has measured how conspicuous they are, or none at all."""
        return cls(inside, np.zeros_like(inside))


def read_study(cohort: Cohort, person: str, shared: Path, masks: Path | None) -> Study:
    """Read a person's study.

    Args:
        cohort: the cohort.
        person: one of its people.
        shared: the folder of shared volumes.
        masks: folder with COHORT/PERSON.nii.gz, needed where the studies show heads.

    Raises:
        InputError: a file is missing or damaged, or a mask does not fit.
    """
    volume = read_volume(shared / cohort.folder / f"{person}.nii.gz", Modality.MR)
    return Study(volume, find_brain(cohort, volume, masks))


def find_brain(cohort: Cohort, volume: Volume, masks: Path | None) -> NDArray[np.bool_]:
    """Where the brain is: from its mask, or wherever a study that shows the brain alone has signal.

    Raises:
        ConfigurationError: heads, and no folder of masks.
        InputError: the mask is missing or does not fit.
    """
    if not cohort.heads:
        brain: NDArray[np.bool_] = ndimage.binary_fill_holes(volume.array > 0)
        return brain
    if masks is None:
        raise ConfigurationError(
            f"the people of {cohort.name} have heads",
            f"give --masks, a folder with brain masks {cohort.name}/NAME.nii.gz.",
        )
    return read_mask(masks / cohort.name / f"{volume.name.split('.')[0]}.nii.gz", volume)


def read_mask(path: Path, volume: Volume) -> NDArray[np.bool_]:
    """A mask on the grid of its study.

    Raises:
        InputError: it cannot be read or lies on another grid.
    """
    return read_labels(path, volume) > 0


def read_labels(path: Path, volume: Volume) -> NDArray[np.int32]:
    """Numbered regions on the grid of their study; 0 is outside.

    Raises:
        InputError: they cannot be read or lie on another grid.
    """
    mask = read_volume(path, Modality.MR)
    if mask.shape != volume.shape or not np.allclose(mask.affine, volume.affine, atol=1e-2):
        raise InputError(
            f"{path} does not lie on the grid of {volume.name}",
            "write the mask on the study's own grid.",
        )
    return np.round(mask.array).astype(np.int32)


def resample(
    volume: Volume, mask: NDArray[np.bool_], spacing: float
) -> tuple[Volume, NDArray[np.bool_]]:
    """A study and a mask of it at another voxel size, where that is coarser than its own.

    Args:
        volume: the study.
        mask: True where something is, on its grid.
        spacing: wanted size of the voxels, mm.

    Returns:
        The study, blurred to what the larger voxels can hold, and the mask where at least half of
        a voxel is inside.
    """
    own = np.array(volume.spacing)
    if (own >= spacing).all():
        return volume, mask
    factors = np.maximum(spacing / own, 1.0)
    shape = np.ceil(np.array(volume.shape) / factors).astype(int)
    scaling = np.diag([*factors, 1.0])
    scaling[:3, 3] = (factors - 1) / 2
    affine = volume.affine @ scaling
    # Half-width of the larger voxel, as a Gaussian of equal variance.
    sigma = np.sqrt(np.maximum(factors**2 - 1, 0) / 12)

    def resampled(array: NDArray[np.float32]) -> NDArray[np.float32]:
        blurred = ndimage.gaussian_filter(array, sigma)
        grid = to_simpleitk(np.zeros(shape, np.float32), affine)
        image = sitk.Resample(to_simpleitk(blurred, volume.affine), grid, sitk.Transform())
        values: NDArray[np.float32] = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
        return values

    smaller = Volume(
        resampled(volume.array), affine, volume.modality, volume.name, volume.modality_source
    )
    return smaller, resampled(mask.astype(np.float32)) >= 0.5
