"""Reading keeps values and geometry in every format."""

import gzip
import shutil
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
from d24fad_core.io.reading import GeometryWarning, find_studies, read_volume, study_name
from d24fad_core.volumes.modality import guess_modality
from d24fad_core.volumes.volume import Modality, Volume
from tests.io.dicom.dicom_builder import write_series
from tests.io.stored_studies import WRITERS, affines, write_nifti, write_nrrd, write_packed_nifti

SHARED = Path(__file__).parents[3] / "shared" / "volumes"


def bright_point(volume: Volume) -> NDArray[np.float64]:
    index = np.unravel_index(volume.array.argmax(), volume.shape)
    point: NDArray[np.float64] = volume.affine[:3, :3] @ np.array(index) + volume.affine[:3, 3]
    return point


@pytest.mark.parametrize("write", WRITERS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_bright_voxel_stays_where_it_is_in_the_patient(write, data) -> None:
    affine = data.draw(affines())
    shape = data.draw(st.tuples(*[st.integers(2, 9)] * 3))
    index = data.draw(st.tuples(*[st.integers(0, n - 1) for n in shape]))
    array = np.random.default_rng(0).integers(0, 100, shape).astype(np.int16)
    array[index] = 1000
    with tempfile.TemporaryDirectory() as folder:
        volume = read_volume(write(Path(folder), array, affine))
    expected = affine[:3, :3] @ np.array(index) + affine[:3, 3]
    np.testing.assert_allclose(bright_point(volume), expected, atol=1e-4)
    assert sorted(volume.array.ravel()) == sorted(array.ravel())
    np.testing.assert_allclose(
        sorted(volume.spacing), sorted(np.linalg.norm(affine[:3, :3], axis=0))
    )


@pytest.mark.parametrize("write", WRITERS)
def test_every_voxel_keeps_its_value_and_place(write, tmp_path: Path) -> None:
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 30
    affine = np.array([[0, 0, 3.0, 5], [-1.5, 0, 0, 7], [0, 2.0, 0, -9], [0, 0, 0, 1]])
    volume = read_volume(write(tmp_path, array, affine))
    to_source = np.linalg.inv(affine) @ volume.affine
    for index in np.ndindex(volume.shape):
        source = np.rint(to_source[:3, :3] @ index + to_source[:3, 3]).astype(int)
        assert volume.array[index] == array[tuple(source)]
    assert volume.name == "study"
    assert volume.array.dtype == np.float32
    assert volume.array.flags.f_contiguous


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_trailing_axes_of_length_one_are_dropped(suffix: str, tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(4, 5, 6, 1)).astype(np.float32)
    path = tmp_path / f"study{suffix}"
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    if suffix.startswith(".nii"):
        nibabel.Nifti1Image(array, affine).to_filename(path)
    else:
        image = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(array[..., 0].T)])
        image.SetSpacing((2.0, 3.0, 4.0, 1.0))
        SimpleITK.WriteImage(image, str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        volume = read_volume(path)
    np.testing.assert_allclose(volume.array, array[..., 0])
    np.testing.assert_allclose(volume.spacing, (2, 3, 4))


def test_scaled_nifti_values_are_scaled(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    image.to_filename(tmp_path / "scaled.nii.gz")
    voxels = nibabel.load(tmp_path / "scaled.nii.gz").get_fdata()
    np.testing.assert_allclose(read_volume(tmp_path / "scaled.nii.gz").array, voxels, atol=1e-5)


def test_nifti_in_metres_is_converted_to_mm(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(array, np.diag([0.001, 0.001, 0.005, 1.0]))
    image.header.set_xyzt_units("meter")
    image.to_filename(tmp_path / "metres.nii")
    assert read_volume(tmp_path / "metres.nii").spacing == pytest.approx((1, 1, 5))


def test_nifti_without_orientation_is_read_with_a_warning(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(array, None)
    image.header.set_zooms((1.0, 2.0, 3.0))
    image.to_filename(tmp_path / "bare.nii")
    with pytest.warns(GeometryWarning, match="no orientation"):
        volume = read_volume(tmp_path / "bare.nii")
    assert volume.spacing == pytest.approx((1, 2, 3))


@pytest.mark.parametrize("side", [-1, 1])
def test_nifti_that_says_both_sides_is_read_with_a_warning(side: int, tmp_path: Path) -> None:
    """Others may go by the qform: what is named left here is shown on the right there."""
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), None)
    turned = np.diag([side, 2, 3, 1]) @ np.array(
        [[0.8, 0.6, 0, 5], [-0.6, 0.8, 0, 7], [0, 0, 1, 9], [0, 0, 0, 1]]
    )
    image.set_sform(np.diag([side, 2, 3, 1]), 2)
    image.set_qform(np.diag([side, 2, 3, 1]), 1)
    image.to_filename(tmp_path / "study.nii")
    image.set_sform(turned, 4)
    image.to_filename(tmp_path / "turned.nii")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_volume(tmp_path / "study.nii")
        read_volume(tmp_path / "turned.nii")
    image.set_qform(np.diag([-side, 2, 3, 1]), 1)
    image.to_filename(tmp_path / "study.nii")
    with pytest.warns(GeometryWarning, match="mirror images of each other"):
        volume = read_volume(tmp_path / "study.nii")
    np.testing.assert_allclose(volume.affine, turned, atol=1e-5)


def test_nrrd_without_a_space_is_read_with_a_warning(tmp_path: Path) -> None:
    values = np.arange(24, dtype="<i2")
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 2 3 4\nspacings: 1 2 3\n"
    header += "encoding: raw\nendian: little\n\n"
    (tmp_path / "bare.nrrd").write_bytes(header.encode() + values.tobytes())
    with pytest.warns(GeometryWarning, match="does not name a space"):
        volume = read_volume(tmp_path / "bare.nrrd")
    assert volume.spacing == pytest.approx((1, 2, 3))


def test_nrrd_of_another_space_is_turned_to_ras(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5), np.int16)
    array[2, 1, 3] = 9
    header = "NRRD0004\ntype: short\ndimension: 3\nspace: right-anterior-superior\n"
    header += "sizes: 3 4 5\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nkinds: domain domain domain"
    header += "\nspace origin: (10,20,30)\nencoding: raw\nendian: little\n\n"
    (tmp_path / "ras.nrrd").write_bytes(header.encode() + array.tobytes(order="F"))
    np.testing.assert_allclose(bright_point(read_volume(tmp_path / "ras.nrrd")), [14, 23, 42])


def test_suffixes_may_be_upper_case(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    path = write_packed_nifti(tmp_path, array, np.eye(4)).rename(tmp_path / "STUDY.NII.GZ")
    assert read_volume(path).name == "STUDY"


class TestModality:
    """Header before argument before guess."""

    def test_given(self, tmp_path: Path) -> None:
        array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        volume = read_volume(write_nifti(tmp_path, array, np.eye(4)), Modality.CT)
        assert (volume.modality, volume.modality_source) == (Modality.CT, "given")

    @pytest.mark.parametrize("modality", list(Modality))
    def test_from_the_dicom_header(self, tmp_path: Path, modality: Modality) -> None:
        array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        write_series(tmp_path / "study", array, np.eye(4), modality=modality.value)
        volume = read_volume(tmp_path / "study", modality)
        assert (volume.modality, volume.modality_source) == (modality, "header")

    def test_against_the_dicom_header_is_refused(self, tmp_path: Path) -> None:
        array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        write_series(tmp_path / "study", array, np.eye(4), modality="CT")
        with pytest.raises(InputError, match="header says CT, not MR"):
            read_volume(tmp_path / "study", Modality.MR)

    def test_guessed_from_hounsfield_units(self) -> None:
        body = np.full((20, 20, 20), -1000, np.float32)
        body[5:15, 5:15, 5:15] = 40
        assert guess_modality(body) is Modality.CT
        resampled = body + np.random.default_rng(0).normal(0, 20, body.shape).astype(np.float32)
        assert guess_modality(resampled) is Modality.CT

    @pytest.mark.parametrize("scale", [1.0, 30.0, 4000.0])
    def test_guessed_from_magnitudes(self, scale: float) -> None:
        signal = np.abs(np.random.default_rng(0).normal(size=(10, 10, 10)).astype(np.float32))
        assert guess_modality(scale * signal) is Modality.MR

    def test_fractional_values_far_below_zero_are_not_hounsfield_units(self) -> None:
        phase = np.random.default_rng(0).uniform(-4000, 4000, (10, 10, 10)).astype(np.float32)
        assert guess_modality(phase) is Modality.MR


class TestFindStudies:
    """What counts as a study in a folder."""

    def test_files_by_suffix_and_folders_with_dicom(self, tmp_path: Path) -> None:
        array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        write_series(tmp_path / "c-series", array, np.eye(4))
        write_packed_nifti(tmp_path, array, np.eye(4)).rename(tmp_path / "b.nii.gz")
        write_nrrd(tmp_path, array, np.eye(4)).rename(tmp_path / "a.NRRD")
        write_nifti(tmp_path, array, np.eye(4)).rename(tmp_path / ".partial-x.nii")
        (tmp_path / "cohort.json").write_text("{}")
        (tmp_path / "empty").mkdir()
        (tmp_path / "notes").mkdir()
        (tmp_path / "notes" / "readme.txt").write_text("nothing")
        studies = find_studies(tmp_path)
        assert [path.name for path in studies] == ["a.NRRD", "b.nii.gz", "c-series"]
        assert [study_name(path) for path in studies] == ["a", "b", "c-series"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert [read_volume(path).shape for path in studies] == [(2, 3, 4)] * 3

    def test_a_folder_without_studies_gives_none(self, tmp_path: Path) -> None:
        assert find_studies(tmp_path) == []

    def test_a_missing_folder_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such folder"):
            find_studies(tmp_path / "absent")


# Not drawn up to the length of a file: DICOM's new UIDs make it another one at each example.
PLACES = st.integers(0, 2**31 - 1)


@pytest.mark.parametrize("write", WRITERS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_gives_a_volume_or_one_sentence(write, data) -> None:
    """Bytes overwritten anywhere, or the end cut off: never another exception, never NaN."""
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name), array, np.diag([1.0, 2.0, 3.0, 1.0]))
        victims = sorted(each for each in Path(name).rglob("*") if each.is_file())
        victim = victims[data.draw(st.integers(0, len(victims) - 1))]
        content = bytearray(victim.read_bytes())
        packed = victim.suffix == ".gz" and data.draw(st.booleans())
        if packed:
            content = bytearray(gzip.decompress(bytes(content)))
        for _ in range(data.draw(st.integers(0, 6))):
            content[data.draw(PLACES) % len(content)] = data.draw(st.integers(0, 255))
        content = content[: data.draw(PLACES) % (len(content) + 1)]
        victim.write_bytes(gzip.compress(bytes(content)) if packed else bytes(content))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                volume = read_volume(path)
            except InputError as error:
                assert len(str(error).splitlines()) == 1
                assert not any(word in str(error) for word in ("Doe", "Jane", "4711"))
            else:
                assert np.isfinite(volume.array).all()


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real volumes of ../shared are absent")
@pytest.mark.parametrize(
    ("name", "shape", "spacing", "modality"),
    [
        ("ms_patient07/flair.nii.gz", (182, 218, 182), (1, 1, 1), Modality.MR),
        ("ms_patient07/t1.nii.gz", (182, 218, 182), (1, 1, 1), Modality.MR),
        ("brain1/brain1_image.nrrd", (256, 256, 25), (0.78125, 0.78125, 6.5), Modality.MR),
        ("lung1/lung1_image.nrrd", (512, 512, 48), (0.5703125, 0.5703125, 5), Modality.CT),
        ("colin27/t1.nii.gz", (181, 217, 181), (1, 1, 1), Modality.MR),
    ],
)
def test_real_volumes(
    name: str,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    modality: Modality,
) -> None:
    volume = read_volume(SHARED / name)
    assert volume.shape == shape
    assert volume.spacing == pytest.approx(spacing)
    assert (volume.modality, volume.modality_source) == (modality, "guessed")


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real volumes of ../shared are absent")
def test_a_real_ct_survives_the_way_through_dicom(tmp_path: Path) -> None:
    source = read_volume(SHARED / "lung1/lung1_image.nrrd")
    voxels = (source.array[::4, ::4] + 1024).astype(np.int16)
    affine = source.affine @ np.diag([4.0, 4.0, 1.0, 1.0])
    rescale = [(1.0, -1024.0)] * voxels.shape[2]
    write_series(tmp_path / "ct", voxels, affine, modality="CT", rescale=rescale)
    volume = read_volume(tmp_path / "ct")
    assert volume.modality_source == "header"
    np.testing.assert_allclose(volume.array, source.array[::4, ::4])
    np.testing.assert_allclose(volume.affine, affine, atol=1e-4)
    shutil.rmtree(tmp_path / "ct")
