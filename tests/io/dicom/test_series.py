"""DICOM series become volumes of exact geometry, or are refused with the reason."""

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pillow_jpls  # noqa: F401 - lets Pillow write JPEG-LS
import pydicom
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate, generate_pixel_data_frame
from pydicom.uid import ImplicitVRLittleEndian, JPEGLSLossless, RLELossless
from scipy.spatial.transform import Rotation

from d24fad_core.errors import InputError
from d24fad_core.io.reading import read_volume
from d24fad_core.volumes.volume import Modality
from tests.io.dicom.dicom_builder import change, declare_padding, write_enhanced, write_series

AXIAL = np.diag([-0.8, -0.7, 3.0, 1.0])
SAGITTAL = np.array([[0, 0, 3.0, -40], [-0.8, 0, 0, 90], [0, -0.7, 0, 60], [0, 0, 0, 1]])
CORONAL = np.array([[-0.8, 0, 0, 80], [0, 0, -3.0, 60], [0, -0.7, 0, 50], [0, 0, 0, 1]])
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [20, -15, 8], degrees=True).as_matrix() @ np.diag(
    [-0.8, -0.7, 3.0]
)


KINDS = ["JPEG", "JPEG2000", "JPEG-LS"]


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


@pytest.mark.parametrize(
    ("dates", "acquired"),
    [
        ({"AcquisitionDate": "20260301", "StudyDate": "20260228"}, date(2026, 3, 1)),
        ({"AcquisitionDate": "", "SeriesDate": "20260301"}, date(2026, 3, 1)),
        ({"AcquisitionDate": "March", "StudyDate": "20260301"}, date(2026, 3, 1)),
        ({"StudyDate": "20261301"}, None),
        ({}, None),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_the_day_of_a_series(dates: dict[str, str], acquired: date | None, tmp_path: Path) -> None:
    for path in write_series(tmp_path, pixels(), AXIAL):
        change(path, **dates)
    assert read_volume(tmp_path).acquired == acquired


def test_a_series_of_two_days_has_none(tmp_path: Path) -> None:
    for number, path in enumerate(write_series(tmp_path, pixels(), AXIAL)):
        change(path, AcquisitionDate=f"2026030{1 + number // 3}")
    assert read_volume(tmp_path).acquired is None


def compress(path: Path, kind: str) -> None:
    """Replace the pixels of a DICOM file by their JPEG, JPEG 2000 or JPEG-LS code (lossless)."""
    if kind == "JPEG-LS":
        compress_to_jpeg_ls(path)
        return
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


def compress_to_jpeg_ls(path: Path) -> None:
    """SimpleITK reads JPEG-LS but does not write it."""
    image = pydicom.dcmread(path)
    codes = []
    for frame in image.pixel_array.reshape(-1, image.Rows, image.Columns):
        stream = io.BytesIO()
        Image.fromarray(frame.view(np.uint16)).save(stream, "JPEG-LS", spiff=None)
        codes.append(stream.getvalue())
    image.file_meta.TransferSyntaxUID = JPEGLSLossless
    image.PixelData = encapsulate(codes)
    image["PixelData"].is_undefined_length = True
    image["PixelData"].VR = "OB"
    image.save_as(path)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_compressed_slices_are_read(tmp_path: Path, kind: str, modality: str) -> None:
    rescale = [(1.0, -1024.0)] * 6
    if modality == "MR":
        rescale = [(1.0 + index / 4, -100.0 * index) for index in range(6)]
    for path in write_series(tmp_path, pixels(64, 48), AXIAL, modality=modality, rescale=rescale):
        compress(path, kind)
        name = pydicom.dcmread(path).file_meta.TransferSyntaxUID.name.replace(" ", "")
        assert kind in name
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


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_inverted_display_inverts_no_values(
    kind: str, bits: int, signed: bool, tmp_path: Path
) -> None:
    """MONOCHROME1 is about the screen (PS3.3, C.7.6.3.1.2); HU stay HU, packed or not."""
    values = pixels(64, 48) if signed else pixels(64, 48) + 200
    values[:, :, 2] = 0  # which is not damage
    paths = write_series(tmp_path, values, AXIAL, modality="CT", rescale=[(1.0, -1024.0)] * 6)
    for path in paths:
        change(
            path,
            PhotometricInterpretation="MONOCHROME1",
            PixelRepresentation=int(signed),
            BitsStored=bits,
            HighBit=bits - 1,
        )
    unpacked = read_volume(tmp_path).array
    np.testing.assert_array_equal(unpacked, values - 1024.0)
    for path in paths:
        compress(path, kind)
    np.testing.assert_array_equal(read_volume(tmp_path).array, unpacked)


@pytest.mark.parametrize("name", ["RescaleSlope", "RescaleIntercept"])
def test_a_ct_that_does_not_say_how_its_values_become_hu_is_refused(
    name: str, tmp_path: Path
) -> None:
    for path in write_series(tmp_path, pixels(), AXIAL, modality="CT"):
        change(path, **{name: None})
    with pytest.raises(InputError, match=f"what its pixel values mean \\(no {name}\\)"):
        read_volume(tmp_path)


def test_a_ct_of_another_unit_is_refused(tmp_path: Path) -> None:
    for path in write_series(tmp_path, pixels(), AXIAL, modality="CT"):
        change(path, RescaleType="MGML")
    with pytest.raises(InputError, match="RescaleType is not HU but 'MGML'"):
        read_volume(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_padding_of_a_ct_becomes_air(packed: bool, tmp_path: Path) -> None:
    values = pixels(64, 48)
    values[:9] = -2000
    values[-5:] = -1999
    paths = write_series(tmp_path, values, AXIAL, modality="CT", rescale=[(1.0, -1024.0)] * 6)
    for path in paths:
        declare_padding(path, -2000, -1990)
        if packed:
            compress(path, "JPEG2000")
    expected = np.where(values < -1900, -1000.0, values - 1024.0)
    np.testing.assert_array_equal(read_volume(tmp_path).array, expected)


def test_padding_is_found_without_types_in_the_file(tmp_path: Path) -> None:
    values = pixels()
    values[0] = -2000
    for path in write_series(tmp_path, values, AXIAL, modality="CT"):
        declare_padding(path, -2000)
        image = pydicom.dcmread(path)
        image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        image.is_implicit_VR = True
        image.save_as(path)
    assert (read_volume(tmp_path).array[0] == -1000).all()


def test_padding_of_an_mr_becomes_no_signal(tmp_path: Path) -> None:
    values = pixels()
    values[0] = -32768
    for path in write_series(tmp_path, values, AXIAL):
        declare_padding(path, -32768)
    expected = values.astype(np.float32)
    expected[0] = 0
    np.testing.assert_array_equal(read_volume(tmp_path).array, expected)


def test_tissue_that_is_declared_to_be_padding_stays(tmp_path: Path) -> None:
    for path in write_series(tmp_path, pixels(), AXIAL, modality="CT"):
        declare_padding(path, -200, 50)
    np.testing.assert_array_equal(read_volume(tmp_path).array, pixels())


@pytest.mark.parametrize(
    ("modality", "attributes", "words"),
    [
        ("MR", {"PixelRepresentation": 0}, "PixelRepresentation differs"),
        ("CT", {"RescaleIntercept": "-1000"}, "RescaleIntercept differs"),
        ("CT", {"Modality": "PT"}, "images of modality PT too"),
        ("MR", {"PhotometricInterpretation": "RGB"}, "a colour image"),
    ],
)
def test_an_image_that_is_unlike_the_others_is_refused(
    modality: str, attributes: dict[str, object], words: str, tmp_path: Path
) -> None:
    paths = write_series(tmp_path, pixels(), AXIAL, modality=modality)
    change(paths[5], **attributes)
    with pytest.raises(InputError, match=words):
        read_volume(tmp_path)


def store(path: Path, values: NDArray[np.uint16], **attributes: object) -> None:
    """Put other bits in the place of a file's pixels."""
    image = pydicom.dcmread(path)
    image.PixelData = values.astype(np.uint16).tobytes()
    image.save_as(path)
    change(path, **attributes)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("signed", "change_bits", "attributes", "words"),
    [
        (0, lambda bits: bits | 0x1000, {}, "12 BitsStored, and pixels that use more of them"),
        (1, lambda bits: bits & 0x0FFF, {}, "12 BitsStored, and pixels that use more of them"),
        (0, lambda bits: bits << 4, {"HighBit": 15}, "HighBit is 15 where BitsStored is 12"),
    ],
    ids=["overlay", "no sign", "shifted"],
)
def test_pixels_that_hold_more_than_a_value_are_refused(
    signed: int,
    change_bits: Callable[[NDArray[np.uint16]], NDArray[np.uint16]],
    attributes: dict[str, object],
    words: str,
    packed: bool,
    tmp_path: Path,
) -> None:
    """They were read as other values: 4096 HU too many where an overlay marks something."""
    values = pixels() if signed else pixels() + 200
    paths = write_series(tmp_path, values, AXIAL, modality="CT", rescale=[(1.0, -1024.0)] * 6)
    for path in paths:
        change(path, PixelRepresentation=signed, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_volume(tmp_path).array, values - 1024.0)
    bits = pydicom.dcmread(paths[3]).pixel_array.view(np.uint16)
    store(paths[3], change_bits(bits), **attributes)
    if packed:
        image = pydicom.dcmread(paths[3])
        image.compress(RLELossless)
        image.save_as(paths[3])
    with pytest.raises(InputError, match=words):
        read_volume(tmp_path)


def test_padding_may_lie_beyond_the_stored_bits(tmp_path: Path) -> None:
    values = pixels() + 200
    values[0] = -2000
    for path in write_series(tmp_path, values, AXIAL, modality="CT"):
        declare_padding(path, -2000)
        change(path, BitsStored=12, HighBit=11)
    values[0] = -1000
    np.testing.assert_array_equal(read_volume(tmp_path).array, values)


def test_a_table_in_place_of_a_rescale_is_refused(tmp_path: Path) -> None:
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4096, 0, 16], "US"
    table.LUTData = np.arange(4096, dtype=np.uint16)[::-1].tobytes()
    for path in write_series(tmp_path, pixels(), AXIAL):
        change(path, ModalityLUTSequence=[table])
    with pytest.raises(InputError, match="a Modality LUT in place of a rescale"):
        read_volume(tmp_path)


def test_a_rescale_that_one_image_lost_is_missed(tmp_path: Path) -> None:
    paths = write_series(tmp_path, pixels(), AXIAL, rescale=[(2.0, 1.0)] * 6)
    change(paths[3], RescaleSlope=None, RescaleIntercept=None)
    with pytest.raises(InputError, match="others have none"):
        read_volume(tmp_path)


@pytest.mark.parametrize("index", [0, 3, 5])
def test_a_number_that_is_slightly_off_in_one_image_moves_nothing(
    index: int, tmp_path: Path
) -> None:
    paths = write_series(tmp_path, pixels(), OBLIQUE)
    whole = read_volume(tmp_path)
    image = pydicom.dcmread(paths[index])
    turned = [float(each) + 5e-4 for each in image.ImageOrientationPatient]
    moved = [float(each) + 0.05 for each in image.ImagePositionPatient]
    change(paths[index], ImageOrientationPatient=turned, ImagePositionPatient=moved)
    np.testing.assert_allclose(read_volume(tmp_path).affine, whole.affine, atol=1e-6)
