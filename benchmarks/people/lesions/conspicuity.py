"""How conspicuous a planted lesion is, measured on the images alone, before any method runs.

Radiologists call a lesion hypointense on T1 when it is clearly darker than the white matter around
it, as grey matter is, so the unit of contrast is white less grey matter. A lesion is clear when it

- has 0.3 ml, a ball of 8 mm: several slices of a clinical scan show it;
- differs from the same place of the untouched person, and from the tissue around it, by half the
  difference of white and grey matter or more;
- stands out from what that tissue holds itself, such as folds of the cortex: its contrast-to-noise
  ratio is 6 over the lesion's area, the noise being that of patches as wide as a fold. The
  criterion of Rose (1948) is 5; on pictures of planted cases, lesions between 5 and 6 lay flat on
  the ventricles or looked like sulci.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.people.lesions.anatomy import Anatomy, Array
from d24fad_core.regions import label_regions

CLEAR_ML = 0.3
CLEAR_CHANGE = 0.5
CLEAR_CONTRAST = 0.5
CLEAR_VISIBILITY = 6.0
CLEAR_CASE_ML = 1.0
"""A person with clear lesions has so much lesion in all."""
_FOLD_MM = 4.0
_RING_MM = (2.0, 6.0)
_FEWEST_RING_VOXELS = 10


class Lesions(str, Enum):
    """Which planted cases are wanted."""

    CLEAR = "clear"
    ANY = "any"


@dataclass(frozen=True)
class Conspicuity:
    """How conspicuous one lesion is; contrasts are in units of white less grey matter.

    Attributes:
        lesion: its number in the case's mask.
        volume_ml: its volume.
        change: mean absolute difference to the same voxels of the untouched person.
        contrast: mean of the lesion less that of the tissue 2 to 6 mm around it; negative is
            darker. A lesion that is bright in one part and dark in another has instead, where it
            is more, the root of its mean square difference beyond the tissue's own variance. 0
            where there is no tissue.
        contrast_to_noise: size of that contrast in units of that tissue's deviation.
    """

    lesion: int
    volume_ml: float
    change: float
    contrast: float
    contrast_to_noise: float

    @property
    def visibility(self) -> float:
        """Contrast-to-noise ratio over the area of a ball of this volume, in patches of a fold."""
        radius: float = (3000 * self.volume_ml / (4 * math.pi)) ** (1 / 3)
        return self.contrast_to_noise * math.sqrt(math.pi) * radius / _FOLD_MM

    @property
    def clear(self) -> bool:
        """Whether a person sees it at once."""
        return (
            self.volume_ml >= CLEAR_ML
            and self.change >= CLEAR_CHANGE
            and abs(self.contrast) >= CLEAR_CONTRAST
            and self.visibility >= CLEAR_VISIBILITY
        )


def is_clear(lesions: Sequence[Conspicuity]) -> bool:
    """Whether a person carries at least one clear lesion, and enough lesion in all."""
    volume = sum(lesion.volume_ml for lesion in lesions)
    return volume >= CLEAR_CASE_ML and any(lesion.clear for lesion in lesions)


def measure_conspicuity(
    anatomy: Anatomy, array: Array, mask: NDArray[np.bool_]
) -> tuple[Conspicuity, ...]:
    """Measure each lesion of a planted study; they are numbered as `label_regions` does.

    Args:
        anatomy: the untouched person.
        array: signal of the planted study, on the person's grid.
        mask: True inside lesions, on that grid.
    """
    planted = (array[anatomy.box] / anatomy.field).astype(np.float32)
    labels = label_regions(mask)[anatomy.box]
    fluid, grey, _ = anatomy.levels
    tissue = anatomy.brain & (labels == 0) & (planted > (fluid + grey) / 2)
    return tuple(
        _measure_lesion(anatomy, planted, labels, tissue, number, box)
        for number, box in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1)
    )


def _measure_lesion(
    anatomy: Anatomy,
    planted: Array,
    labels: NDArray[np.uint32],
    tissue: NDArray[np.bool_],
    number: int,
    box: tuple[slice, ...],
) -> Conspicuity:
    margin = np.ceil(_RING_MM[1] / anatomy.spacing).astype(int) + 1
    near = tuple(
        slice(max(part.start - more, 0), part.stop + more)
        for part, more in zip(box, margin, strict=True)
    )
    _, grey, white = anatomy.levels
    unit = white - grey
    lesion, signal = labels[near] == number, planted[near]
    distance = ndimage.distance_transform_edt(~lesion, sampling=anatomy.spacing)
    ring = tissue[near] & (distance > _RING_MM[0]) & (distance <= _RING_MM[1])
    change = float(np.abs(signal - anatomy.signal[near])[lesion].mean()) / unit
    contrast = noise = 0.0
    if ring.sum() >= _FEWEST_RING_VOXELS:
        differences = (signal[lesion] - signal[ring].mean()) / unit
        spread = max(float(signal[ring].std()) / unit, 1e-6)
        mean = float(differences.mean())
        uneven = math.sqrt(max(float((differences**2).mean()) - spread**2, 0.0))
        contrast = math.copysign(max(abs(mean), uneven), mean)
        noise = abs(contrast) / spread
    return Conspicuity(
        number,
        round(float(lesion.sum()) * anatomy.voxel_ml, 4),
        round(change, 3),
        round(contrast, 3),
        round(noise, 3),
    )
