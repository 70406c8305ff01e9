"""Small studies for the tests of the command line."""

from pathlib import Path

import nibabel as nib
import numpy as np


def write_study(path: Path, seed: int, lesion: bool = False) -> None:
    """A noisy box of 24 x 26 x 12 voxels of 2 x 2 x 3 mm, with or without a bright cube."""
    image = np.zeros((24, 26, 12), dtype=np.float32)
    image[3:21, 3:23, 1:11] = np.random.default_rng(seed).normal(100, 6, (18, 20, 10))
    if lesion:
        image[14:18, 8:12, 5:8] = 190
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-20, -30, 5)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(image, affine), path)
