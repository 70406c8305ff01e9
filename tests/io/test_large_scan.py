"""A scan that is reduced while it is read is the one that is read whole, block by block."""

import tempfile
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io import large_scan
from d24fad_core.io.reading import GeometryWarning, read_volume
from d24fad_core.volumes.reduction import block_means, reduced_affine
from d24fad_core.volumes.volume import Modality
from tests.io.stored_studies import WRITERS, affines, write_itk, write_nifti, write_packed_nifti


@pytest.fixture(autouse=True)
def several_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_scan, "_SLAB_VOXELS", 40)


def check_reduced(path: Path, largest: int, modality: Modality | None = None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        whole, reduced = read_volume(path, modality), read_volume(path, modality, largest)
    reduction = reduced.reduction
    assert reduction is not None and whole.reduction is None
    np.testing.assert_array_equal(reduced.array, block_means(whole.array, reduction.factors))
    np.testing.assert_array_equal(reduced.affine, reduced_affine(whole.affine, reduction.factors))
    np.testing.assert_array_equal(reduction.affine, whole.affine)
    assert reduction.shape == whole.shape
    assert reduction.content_hash == whole.content_hash != reduced.content_hash
    assert (reduced.name, reduced.modality, reduced.modality_source) == (
        (whole.name, whole.modality, whole.modality_source)
    )
    assert reduced.array.flags.f_contiguous


@pytest.mark.parametrize("write", WRITERS)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(affine=affines(), shape=st.tuples(*[st.integers(3, 11)] * 3))
def test_in_every_format_and_on_every_grid(write, affine, shape) -> None:
    array = np.random.default_rng(0).integers(0, 900, shape).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        check_reduced(write(Path(folder), array, affine), largest=int(np.prod(shape)) - 1)


@pytest.mark.parametrize("write", WRITERS)
def test_a_scan_within_the_limit_is_read_whole(write, tmp_path: Path) -> None:
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    path = write(tmp_path, array, np.diag([2.0, 2.0, 3.0, 1.0]))
    assert read_volume(path, largest=array.size).reduction is None
    assert read_volume(path, largest=array.size - 1).reduction is not None


def values(dtype: type) -> NDArray[np.generic]:
    return np.random.default_rng(1).uniform(0, 250, (6, 7, 8)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
def test_values_of_every_type(dtype: type, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"study{suffix}"
    if suffix.startswith(".nii"):
        nibabel.Nifti1Image(values(dtype), np.eye(4), dtype=dtype).to_filename(path)
    else:
        write_itk(path, values(dtype), np.eye(4))
    check_reduced(path, 100)


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
def test_packed_voxels_behind_or_beside_a_header(suffix: str, tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(values(np.int16))
    SimpleITK.WriteImage(image, str(tmp_path / f"study{suffix}"), useCompression=True)
    check_reduced(tmp_path / f"study{suffix}", 100)


def test_scaled_nifti_values_are_scaled_as_in_the_whole(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values(np.int16), np.eye(4))
    image.header.set_slope_inter(0.1, -3.7)
    image.to_filename(tmp_path / "scaled.nii.gz")
    check_reduced(tmp_path / "scaled.nii.gz", 100)


def test_big_endian_nifti(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    image = nibabel.Nifti1Image(values(np.int16).astype(">i2"), np.eye(4), header)
    image.to_filename(tmp_path / "big.nii")
    check_reduced(tmp_path / "big.nii", 100)


def test_trailing_axes_of_length_one(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values(np.int16)[..., None], np.eye(4))
    image.to_filename(tmp_path / "study.nii.gz")
    check_reduced(tmp_path / "study.nii.gz", 100)
    joined = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(values(np.int16))])
    SimpleITK.WriteImage(joined, str(tmp_path / "study.nrrd"))
    check_reduced(tmp_path / "study.nrrd", 100)


NRRD = "NRRD0004\r\n# a comment: none\r\ntype: short\r\ndimension: 3\r\nsizes: 6 7 8\r\n{}\r\n\r\n"
META = "NDims = 3\nDimSize = 6 7 8\nElementType = MET_SHORT\nElementSpacing = 1 1 2\n{}\n"
LITTLE, BIG = values(np.int16).astype("<i2").tobytes(), values(np.int16).astype(">i2").tobytes()
TEXT = " ".join(str(value) for value in values(np.int16).ravel()).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "header", "content"),
    [
        ("big.nrrd", NRRD.format("Encoding: RAW\r\nendian: big"), BIG),
        ("text.nrrd", NRRD.format("encoding: ascii"), TEXT),
        ("skipped.nrrd", NRRD.format("encoding: raw\r\nendian: little\r\nbyte skip: 9"), LITTLE),
        ("big.mha", META.format("BinaryData = True\nBinaryDataByteOrderMSB = True"), BIG),
        ("other.mha", META.format("BinaryData = True\nElementByteOrderMSB = T"), BIG),
        ("text.mha", META.format("BinaryData = False"), TEXT),
    ],
)
def test_rare_layouts(name: str, header: str, content: bytes, tmp_path: Path) -> None:
    if name.endswith(".mha"):
        header += "ElementDataFile = LOCAL\n"
    padding = bytes(9) if name == "skipped.nrrd" else b""
    (tmp_path / name).write_bytes(header.encode() + padding + content)
    check_reduced(tmp_path / name, 100)


def test_one_file_for_each_slice(tmp_path: Path) -> None:
    for index in range(8):
        part = values(np.int16)[:, :, index]
        (tmp_path / f"slice{index}.raw").write_bytes(part.astype("<i2").tobytes(order="F"))
    names = "\n".join(f"slice{index}.raw" for index in range(8))
    header = META.format("BinaryData = True\nElementDataFile = LIST") + names + "\n"
    (tmp_path / "study.mhd").write_text(header)
    check_reduced(tmp_path / "study.mhd", 100)


@pytest.mark.parametrize("modality", [None, *Modality])
def test_a_modality_is_guessed_or_taken_as_for_the_whole(
    modality: Modality | None, tmp_path: Path
) -> None:
    body = np.full((12, 12, 12), -1000, np.int16)
    body[3:9, 3:9, 3:9] = 40
    noisy = body + np.random.default_rng(0).normal(0, 20, body.shape)
    for array in (body, noisy.astype(np.int16), np.abs(noisy).astype(np.int16)):
        check_reduced(write_nifti(tmp_path, array, np.eye(4)), 500, modality)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(suffix: str, share: float, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 900, (20, 20, 20)).astype(np.int16)
    path = tmp_path / f"study{suffix}"
    if suffix == ".nii.gz":
        write_packed_nifti(tmp_path, array, np.eye(4))
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path), useCompression=True)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="not a whole"):
        read_volume(path, largest=1000)


def test_a_file_without_orientation_is_warned_of(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values(np.int16), None)
    image.to_filename(tmp_path / "bare.nii.gz")
    with pytest.warns(GeometryWarning, match="no orientation"):
        read_volume(tmp_path / "bare.nii.gz", largest=100)
