"""The average brain with its regions, as shipped; docs/places.md tells how they were derived."""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

LABELS_FILE = Path(__file__).with_name("icbm152_regions.nii.gz")
TISSUES_FILE = Path(__file__).with_name("icbm152_tissues.nii.gz")
ATLAS_NAME = "ICBM152 lobes and deep structures"


class BrainRegion(str, Enum):
    """A lobe or deep structure; its value names it in results."""

    FRONTAL = "frontal lobe"
    PARIETAL = "parietal lobe"
    TEMPORAL = "temporal lobe"
    OCCIPITAL = "occipital lobe"
    INSULA = "insula"
    BASAL_GANGLIA = "basal ganglia"
    THALAMUS = "thalamus"
    BRAIN_STEM = "brain stem"
    CEREBELLUM = "cerebellum"
    LATERAL_VENTRICLE = "lateral ventricle"
    CORPUS_CALLOSUM = "corpus callosum"

    @property
    def label(self) -> int:
        """Its value in the label map."""
        return list(BrainRegion).index(self) + 1

    @property
    def has_side(self) -> bool:
        """Whether there is a left and a right one."""
        return self not in (BrainRegion.BRAIN_STEM, BrainRegion.CORPUS_CALLOSUM)


@dataclass(frozen=True, eq=False)
class BrainAtlas:
    """The average brain in MNI space.

    Attributes:
        labels: (X, Y, Z) uint8 at 2 mm, `BrainRegion.label` in the brain and a few mm around it,
            0 elsewhere.
        labels_affine: 4x4 from its voxel index to MNI mm.
        tissues: (X, Y, Z, 3) shares of grey matter, white matter and fluid, float32, at 4 mm.
        tissues_affine: the same of the tissues.
    """

    labels: NDArray[np.uint8]
    labels_affine: NDArray[np.float64]
    tissues: NDArray[np.float32]
    tissues_affine: NDArray[np.float64]


@lru_cache(maxsize=1)
def brain_atlas() -> BrainAtlas:
    """Read the shipped files."""
    labels, tissues = nibabel.load(LABELS_FILE), nibabel.load(TISSUES_FILE)
    return BrainAtlas(
        np.asarray(labels.dataobj, np.uint8),
        np.asarray(labels.affine, np.float64),
        np.asarray(tissues.dataobj, np.float32) / np.float32(100.0),
        np.asarray(tissues.affine, np.float64),
    )
