"""Mask files must lie on the grid of their study."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from d24fad_core.errors import InputError
from d24fad_core.io.reading import read_volume
from d24fad_core.masking.mask_file import find_support_masks, read_mask
from d24fad_core.masking.study_masks import mask_normals_by_files
from d24fad_core.volumes.volume import Modality
from tests.masking.heads import brain_of, head


def write(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(array.astype(np.uint8), affine), path)
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_every_voxel_above_zero_is_inside(tmp_path: Path, suffix: str) -> None:
    scan, inside = head(0), brain_of(0)
    path = write(tmp_path / "mask.nii.gz", inside * 3, scan.affine)
    if suffix == ".nrrd":
        sitk.WriteImage(sitk.ReadImage(str(path)), str(tmp_path / "mask.nrrd"))
    np.testing.assert_array_equal(read_mask(tmp_path / f"mask{suffix}", scan), inside)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    scan = head(0)
    path = write(tmp_path / "mask.nii.gz", brain_of(0)[:, :, :40], scan.affine)
    with pytest.raises(InputError, match=r"50 x 60 x 40 voxels .* 50 x 60 x 62; resample"):
        read_mask(path, scan)


def test_a_mask_at_another_place_is_refused_with_the_distance(tmp_path: Path) -> None:
    scan = head(0)
    moved = scan.affine.copy()
    moved[1, 3] += 4.0
    path = write(tmp_path / "mask.nii.gz", brain_of(0), moved)
    with pytest.raises(InputError, match=r"up to 4\.0 mm off the grid of head-0"):
        read_mask(path, scan)


def test_an_empty_mask_is_refused(tmp_path: Path) -> None:
    scan = head(0)
    path = write(tmp_path / "mask.nii.gz", np.zeros(scan.shape), scan.affine)
    with pytest.raises(InputError, match="every voxel is 0"):
        read_mask(path, scan)


def test_of_a_reduced_scan_a_block_counts_where_any_of_it_is_inside(tmp_path: Path) -> None:
    scan, inside = head(0), brain_of(0)
    nibabel.save(nibabel.Nifti1Image(scan.array, scan.affine), tmp_path / "scan.nii.gz")
    path = write(tmp_path / "mask.nii.gz", inside, scan.affine)
    reduced = read_volume(tmp_path / "scan.nii.gz", Modality.MR, largest=100_000)
    assert reduced.reduction is not None
    mask = read_mask(path, reduced, largest=100_000)
    i, j, k = np.argwhere(inside)[0] // np.array(reduced.reduction.factors)
    assert mask.shape == reduced.shape and mask[i, j, k]


def test_masks_of_normals_are_found_by_name(tmp_path: Path) -> None:
    normals = [head(0), head(1)]
    write(tmp_path / "head-0.nii.gz", brain_of(0), normals[0].affine)
    write(tmp_path / "head-1-mask.nii.gz", brain_of(1), normals[1].affine)
    write(tmp_path / "head-9.nii.gz", brain_of(0), normals[0].affine)
    names = [path.name for path in find_support_masks(tmp_path, normals)]
    assert names == ["head-0.nii.gz", "head-1-mask.nii.gz"]
    masked = mask_normals_by_files(normals, tmp_path)
    assert [study.name for study in masked] == ["head-0", "head-1"]

    with pytest.raises(InputError, match=r"no mask of head-2, head-3; .* head-2-mask\.nii\.gz"):
        find_support_masks(tmp_path, [*normals, head(2), head(3)])
