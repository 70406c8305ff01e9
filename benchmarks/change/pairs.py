"""The pairs that are measured: simulated ones of real people, and two real patients."""

from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.change.measuring import MeasuredPair, TrueLesion
from benchmarks.change.planting import simulate_pair
from d24fad_core.io.reading import read_volume
from d24fad_core.masking.masked_scan import apply_mask
from d24fad_core.regions import label_regions
from d24fad_core.support.frame import from_simpleitk, grid_image
from d24fad_core.volumes.volume import MaskKind, Volume

PEOPLE = ("tune", "test")
VOXEL_MM = 1.5
_TEACHING = "normal_t1_ds002748/at_1_5_mm"
_TEST = "normal_t1_ds002748"
_REAL = "ms_change"
_SEEDS = {"tune": 100, "test": 9000}


def simulated_pair(shared: Path, people: str, number: int) -> MeasuredPair:
    """Pair `number` of some people; every second has no change.

    Args:
        shared: folder of shared volumes.
        people: `"tune"`, whom thresholds were set on, or `"test"`, whom nothing was set on.
        number: chooses person, lesions and scans.
    """
    folder = shared / (_TEACHING if people == "tune" else _TEST)
    files = sorted(folder.glob("sub-*.nii.gz"))
    person = _brain_box(read_volume(files[number % len(files)]))
    pair = simulate_pair(person, _SEEDS[people] + number, changed=number % 2 == 0)
    lesions = tuple(
        TrueLesion(each.kind, each.mask, each.changed, each.volume_ml, each.prior_volume_ml)
        for each in pair.lesions
    )
    return MeasuredPair(f"{people}-{number}", pair.case, pair.prior, lesions, darker=True)


def real_patients(shared: Path) -> list[str]:
    """Names of the patients with two real scans."""
    return sorted(folder.name for folder in (shared / _REAL).iterdir() if folder.is_dir())


def real_pair(shared: Path, patient: str) -> MeasuredPair:
    """A real patient in FLAIR; lesions are known as changed, not how.

    Masks come in a common space, and a transform from the second scan's points there to its own.
    """
    folder = shared / _REAL / patient
    case, prior = (read_volume(folder / f"study{time}_FLAIR.nii.gz") for time in (2, 1))
    to_common = sitk.ReadTransform(str(folder / "study2_FLAIR_to_common_space.txt")).GetInverse()
    changed, brain = (
        _on_case(folder / f"{name}.nii.gz", case, to_common) for name in ("gt", "brainmask")
    )
    labels = label_regions(changed)
    lesions = tuple(
        TrueLesion(
            None,
            labels == label,
            labels == label,
            float((labels == label).sum()) * case.voxel_ml,
            0.0,
        )
        for label in range(1, int(labels.max()) + 1)
    )
    masked = apply_mask(case, brain, MaskKind.FILE)
    return MeasuredPair(patient, masked, prior, lesions, darker=None)


def _on_case(path: Path, case: Volume, to_common: sitk.Transform) -> NDArray[np.bool_]:
    grid = grid_image(case.shape, case.affine)
    image = sitk.Resample(sitk.ReadImage(str(path)), grid, to_common, sitk.sitkNearestNeighbor, 0.0)
    return from_simpleitk(image) > 0


def _brain_box(person: Volume) -> Volume:
    """A person's brain with voxels of 1.5 mm and some room around it."""
    spacing = np.array(person.spacing)
    array = person.array
    affine = person.affine.copy()
    if spacing.min() < VOXEL_MM * 0.95:
        image = nibabel.Nifti1Image(array, affine)
        box = ndimage.find_objects((array > 0).astype(np.uint8))[0]
        image = image.slicer[box]
        blurred = ndimage.gaussian_filter(
            np.asarray(image.dataobj), np.sqrt((VOXEL_MM**2 - spacing**2) / 12.0) / spacing
        )
        shape = np.ceil(np.array(image.shape) * spacing / VOXEL_MM).astype(int)
        affine = image.affine @ np.diag([*(VOXEL_MM / spacing), 1.0])
        places = np.array([VOXEL_MM / size for size in spacing])
        array = ndimage.affine_transform(blurred, places, output_shape=tuple(shape), order=1)
        inside = ndimage.affine_transform(
            (np.asarray(image.dataobj) > 0).astype(np.float32),
            places,
            output_shape=tuple(shape),
            order=1,
        )
        array = np.where(inside > 0.5, array, 0.0)
    pad = 6
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, pad)
    return Volume(np.pad(array, pad).astype(np.float32), affine, person.modality, person.name)
