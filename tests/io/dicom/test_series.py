"""DICOM series become volumes of exact geometry, or are refused with the reason."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.typing import NDArray
from pydicom.encaps import encapsulate, generate_pixel_data_frame
from pydicom.uid import RLELossless
from scipy.spatial.transform import Rotation

from d24fad_core.errors import InputError
from d24fad_core.io.reading import read_volume
from d24fad_core.volumes.volume import Modality
from tests.io.dicom.dicom_builder import change, write_enhanced, write_series

AXIAL = np.diag([-0.8, -0.7, 3.0, 1.0])
SAGITTAL = np.array([[0, 0, 3.0, -40], [-0.8, 0, 0, 90], [0, -0.7, 0, 60], [0, 0, 0, 1]])
CORONAL = np.array([[-0.8, 0, 0, 80], [0, 0, -3.0, 60], [0, -0.7, 0, 50], [0, 0, 0, 1]])
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [20, -15, 8], degrees=True).as_matrix() @ np.diag(
    [-0.8, -0.7, 3.0]
)


def pixels(columns: int = 5, rows: int = 4) -> NDArray[np.int16]:
    return np.random.default_rng(1).integers(-200, 900, (columns, rows, 6)).astype(np.int16)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("affine", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_planes_of_both_modalities(
    tmp_path: Path, affine: NDArray[np.float64], modality: str
) -> None:
    write_series(tmp_path, pixels(), affine, modality=modality)
    volume = read_volume(tmp_path)
    assert volume.modality is Modality(modality)
    assert volume.shape == (5, 4, 6)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-6)
    np.testing.assert_array_equal(volume.array, pixels())


def test_slices_are_ordered_along_their_normal_not_by_name_or_number(tmp_path: Path) -> None:
    feet_first = AXIAL @ np.diag([1, 1, -1, 1.0])
    write_series(tmp_path, pixels(), feet_first)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, pixels()[:, :, ::-1])
    np.testing.assert_allclose(volume.affine[:3, 2], AXIAL[:3, 2], atol=1e-6)


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    rescale = [(1.0 + index / 4, -100.0 * index) for index in range(6)]
    write_series(tmp_path, pixels(), AXIAL, rescale=rescale)
    expected = pixels() * [slope for slope, _ in rescale] + [below for _, below in rescale]
    np.testing.assert_allclose(read_volume(tmp_path).array, expected, rtol=1e-6)


def test_frames_of_a_multi_frame_image_have_their_own_rescale(tmp_path: Path) -> None:
    rescale = [(1.0 + index / 4, -100.0 * index) for index in range(6)]
    write_enhanced(tmp_path / "enhanced.dcm", pixels(), OBLIQUE, rescale)
    expected = pixels() * [slope for slope, _ in rescale] + [below for _, below in rescale]
    for path in (tmp_path, tmp_path / "enhanced.dcm"):
        volume = read_volume(path)
        np.testing.assert_allclose(volume.array, expected, rtol=1e-6)
        np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-6)


def test_positions_rounded_by_the_scanner_are_accepted(tmp_path: Path) -> None:
    for index, path in enumerate(write_series(tmp_path, pixels(), AXIAL)):
        change(path, ImagePositionPatient=[0, 0, round(3.0 * index + 0.01 * (-1) ** index, 2)])
    assert read_volume(tmp_path).spacing == pytest.approx((0.8, 0.7, 3.0), abs=0.01)


def test_objects_that_are_no_images_are_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path, pixels(), AXIAL)
    write_series(tmp_path, pixels(), AXIAL, modality="PT", number=9, prefix="pet")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "notes.txt").write_text("head scan")
    (tmp_path / ".hidden.dcm").write_bytes(b"")
    np.testing.assert_array_equal(read_volume(tmp_path).array, pixels())


def test_files_without_suffix_are_found(tmp_path: Path) -> None:
    for path in write_series(tmp_path, pixels(), AXIAL):
        path.rename(path.with_suffix(""))
    assert read_volume(tmp_path).shape == (5, 4, 6)


def test_rle_compressed_pixels_are_read(tmp_path: Path) -> None:
    for path in write_series(tmp_path, pixels(), AXIAL):
        image = pydicom.dcmread(path)
        image.compress(RLELossless)
        image.save_as(path)
    np.testing.assert_array_equal(read_volume(tmp_path).array, pixels())


def test_a_name_in_the_series_description_is_not_repeated(tmp_path: Path) -> None:
    write_series(tmp_path, pixels(), AXIAL, number=3, description="T1 jane doe")
    write_series(tmp_path, pixels(), AXIAL, number=4, description="T2", prefix="other")
    with pytest.raises(InputError) as caught:
        read_volume(tmp_path)
    message = str(caught.value)
    assert "number 3, 6 files" in message
    assert "number 4 'T2', 6 files" in message
    assert "jane" not in message.lower()


def compress(path: Path, kind: str) -> None:
    """Replace the pixels of a DICOM file by their JPEG or JPEG 2000 code (lossless)."""
    image = pydicom.dcmread(path)
    single = path.with_name("single-frame.dcm")
    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(single))
    writer.SetCompressor(kind)
    writer.UseCompressionOn()
    codes = []
    for frame in image.pixel_array.reshape(-1, image.Rows, image.Columns):
        writer.Execute(SimpleITK.GetImageFromArray(frame[np.newaxis]))
        compressed = pydicom.dcmread(single)
        codes.extend(generate_pixel_data_frame(compressed.PixelData, 1))
    single.unlink()
    image.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID
    image.PixelData = encapsulate(codes)
    image["PixelData"].is_undefined_length = True
    image["PixelData"].VR = "OB"
    image.save_as(path)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_jpeg_compressed_slices_are_read(tmp_path: Path, kind: str, modality: str) -> None:
    rescale = [(1.0 + index / 4, -100.0 * index) for index in range(6)]
    for path in write_series(tmp_path, pixels(64, 48), AXIAL, modality=modality, rescale=rescale):
        compress(path, kind)
        assert kind in pydicom.dcmread(path).file_meta.TransferSyntaxUID.name.replace(" ", "")
    expected = pixels(64, 48) * [slope for slope, _ in rescale] + [below for _, below in rescale]
    np.testing.assert_allclose(read_volume(tmp_path).array, expected, rtol=1e-6)


def test_jpeg_compressed_frames_are_read(tmp_path: Path) -> None:
    rescale = [(1.0 + index / 4, -100.0 * index) for index in range(6)]
    write_enhanced(tmp_path / "enhanced.dcm", pixels(64, 48), OBLIQUE, rescale)
    compress(tmp_path / "enhanced.dcm", "JPEG2000")
    expected = pixels(64, 48) * [slope for slope, _ in rescale] + [below for _, below in rescale]
    np.testing.assert_allclose(read_volume(tmp_path).array, expected, rtol=1e-6)


def test_damaged_jpeg_is_refused(tmp_path: Path) -> None:
    path = write_series(tmp_path, pixels(64, 48), AXIAL)[2]
    compress(path, "JPEG2000")
    content = path.read_bytes()
    start = content.index(b"\xff\x4f\xff\x51")
    path.write_bytes(content[:start] + bytes(20) + content[start + 20 :])
    with pytest.raises(InputError, match="not a whole DICOM image"):
        read_volume(tmp_path)
