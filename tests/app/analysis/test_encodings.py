"""Heatmaps and masks in the number and file types that clients ask for."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from monailabel_app.analysis.encodings import (
    MASK_SUFFIXES,
    Encoding,
    check_suffix,
    read_mask,
    read_scores,
    write_heatmap,
    write_labels,
)
from monailabel_app.failures import RequestError
from tests.byte_changes import change_bytes

OBLIQUE = np.array(
    [[0.0, -2.9, 0.3, 10.0], [1.0, 0.1, 0.0, -20.0], [0.05, 0.4, 2.0, 5.0], [0, 0, 0, 1.0]]
)


def scores(peak: float) -> NDArray[np.float32]:
    values = np.random.default_rng(0).normal(0, 2, (9, 8, 7)).astype(np.float32)
    values[4, 4, 4] = peak
    return values


@pytest.mark.parametrize(
    ("encoding", "peak", "step"),
    [
        (Encoding.FLOAT32, 12.0, 0.0),
        (Encoding.INT16, 12.0, 0.01),
        (Encoding.INT16, 1000.0, 1000 / 32767),
        (Encoding.UINT8, 12.0, 0.1),
        (Encoding.UINT8, 60.0, 60 / 255),
    ],
)
def test_scores_come_back_to_half_a_step(
    tmp_path: Path, encoding: Encoding, peak: float, step: float
) -> None:
    heatmap = scores(peak)
    path = tmp_path / "heatmap.nii.gz"
    write_heatmap(heatmap, OBLIQUE, path, encoding)
    assert nibabel.load(path).get_data_dtype() == np.dtype(encoding.value)
    copy, affine = read_scores(path)
    expected = np.maximum(heatmap, 0) if encoding is Encoding.UINT8 else heatmap
    np.testing.assert_allclose(copy, expected, atol=step / 2 + 1e-4)
    np.testing.assert_allclose(affine, OBLIQUE, atol=1e-5)


def test_a_changed_byte_in_a_heatmap_or_mask_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "image.nii.gz"
    mask = (scores(9.0) > 1).astype(np.uint8)
    for write, reader in (
        (lambda: write_heatmap(scores(9.0), OBLIQUE, path, Encoding.INT16), read_scores),
        (lambda: write_labels(mask, OBLIQUE, path), read_mask),
    ):
        write()
        expected = reader(path)
        noticed = 0
        for _ in change_bytes(path):
            try:
                voxels, affine = reader(path)
            except (OSError, ValueError, nibabel.filebasedimages.ImageFileError):
                noticed += 1
            else:
                np.testing.assert_array_equal(voxels, expected[0])
                np.testing.assert_array_equal(affine, expected[1])
        assert noticed > 150


def test_equal_scores_look_equal_in_every_case(tmp_path: Path) -> None:
    data_types = []
    for peak in (5.0, 20.0):
        write_heatmap(scores(peak), OBLIQUE, tmp_path / "h.nii.gz", Encoding.UINT8)
        image = nibabel.load(tmp_path / "h.nii.gz")
        data_types.append(np.asarray(image.dataobj.get_unscaled())[0])
    np.testing.assert_array_equal(*data_types)


def test_a_large_ct_stays_under_10_mb(tmp_path: Path) -> None:
    """512 x 512 x 300, half of it body; a tenth of the slices, so that the test stays quick."""
    noise = np.random.default_rng(0).normal(0, 1, (128, 128, 30))
    # Maps are computed at 128 pixels and smoothed there with a sigma of 2 (`ScoringConfig.blur`).
    coarse = gaussian_filter(noise, (2, 2, 1))
    heatmap = zoom((coarse * 1.5 / coarse.std()).astype(np.float32), (4, 4, 1), order=1)
    across, down = np.meshgrid(*(np.linspace(-1, 1, 512),) * 2, indexing="ij")
    heatmap *= ((across / 0.95) ** 2 + (down / 0.67) ** 2 < 1)[..., None]
    write_heatmap(heatmap, np.eye(4), tmp_path / "h.nii.gz", Encoding.UINT8)
    assert (tmp_path / "h.nii.gz").stat().st_size < 10e6 / 10


@pytest.mark.parametrize("suffix", MASK_SUFFIXES)
def test_masks_keep_their_place_in_every_file_type(tmp_path: Path, suffix: str) -> None:
    mask = np.zeros((9, 8, 7), np.uint8)
    mask[2, 3, 4] = 1
    left, _, right = np.linalg.svd(OBLIQUE[:3, :3])
    affine = OBLIQUE.copy()
    affine[:3, :3] = left @ right * [3.0, 1.0, 2.0]
    path = tmp_path / f"mask{suffix}"
    write_labels(mask, affine, path)
    image = SimpleITK.ReadImage(str(path))
    assert SimpleITK.GetArrayFromImage(image)[4, 3, 2] == 1
    point = np.array(image.TransformIndexToPhysicalPoint((2, 3, 4))) * [-1, -1, 1]
    np.testing.assert_allclose(point, (affine @ [2, 3, 4, 1])[:3], atol=1e-4)


def test_another_file_type_is_refused() -> None:
    with pytest.raises(RequestError, match="must be one of"):
        check_suffix(".exe")
