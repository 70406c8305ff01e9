"""NIfTI copies of studies of other formats, for clients that read nothing else."""

import threading
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from d24fad_core.files import whole_file
from d24fad_core.io.reading import NIFTI_SUFFIXES
from d24fad_core.volumes.volume import Volume
from monailabel_app.studies.images import ImageCatalogue, Study

_INT16 = np.iinfo(np.int16)


class NiftiCopies:
    """Studies as NIfTI; a copy is made when it is first asked for and kept.

    Args:
        folder: where the copies lie, each under the hash of its study's content; what is deleted
            there is made again.
        images: knows the hashes.
    """

    def __init__(self, folder: Path, images: ImageCatalogue) -> None:
        self._folder = folder
        self._images = images
        # One conversion at a time bounds the memory.
        self._converting = threading.Lock()

    def file(self, study: Study) -> Path:
        """The study's own file where it is NIfTI, else its copy.

        Raises:
            RequestError: the study cannot be read as a volume.
        """
        if study.path.is_file() and study.path.name.lower().endswith(NIFTI_SUFFIXES):
            return study.path
        copy = self._folder / f"{self._images.content_hash(study)}.nii.gz"
        with self._converting:
            if not copy.is_file():
                _write(study.volume(), copy)
        return copy


def _write(volume: Volume, path: Path) -> None:
    """Write the voxels on their source grid; nothing is rounded."""
    values = _smallest(volume.array)
    image = nib.Nifti1Image(values, volume.affine)
    image.header.set_xyzt_units("mm")
    with whole_file(path) as temporary:
        nib.save(image, temporary)


def _smallest(values: NDArray[np.float32]) -> NDArray[Any]:
    """The same values in half the bytes where they are whole numbers, as scanners store them."""
    if values.min() < _INT16.min or values.max() > _INT16.max:
        return values
    whole = values.astype(np.int16)
    return whole if np.array_equal(whole, values) else values
