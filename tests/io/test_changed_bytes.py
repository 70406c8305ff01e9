"""A file in which one byte changed is refused or read as it was: never as another scan.

What carries no checksum cannot be told by anyone: unpacked voxels (NRRD `raw`, MetaImage without
compression, unpacked NIfTI, DICOM pixels), and the numbers in the header that place them. There a
changed byte makes another study: its hash differs, and nothing that was kept of the former one is
taken for it. For these formats every other byte of the header is tried, too.
"""

import gzip
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io.known_studies import KnownStudies, KnownStudy, volume_of
from d24fad_core.io.reading import GeometryWarning, read_volume
from d24fad_core.volumes.volume import Volume
from tests.io.dicom.dicom_builder import change, declare_padding, write_series
from tests.io.dicom.test_series import compress
from tests.io.stored_studies import LPS_TO_RAS, write_dicom, write_mha, write_nifti, write_nrrd

CHANGES = 200
AFFINE = np.array([[0, 0, 3.0, 5], [-1.5, 0, 0, 7], [0, 2.0, 0, -9], [0, 0, 0, 1]])
PLACING = (b"space directions:", b"space origin:", b"TransformMatrix", b"Offset", b"ElementSpacing")


def voxels() -> NDArray[np.int16]:
    smooth = np.add.outer(np.add.outer(np.arange(12) * 9, np.arange(11) * 5), np.arange(10) * 7)
    return (smooth + np.random.default_rng(0).integers(0, 8, smooth.shape)).astype(np.int16)


def changed(path: Path, places: Sequence[int] | None, count: int) -> Iterator[str]:
    """Change one byte, to any other value, `count` times; the file is put back in the end."""
    whole = path.read_bytes()
    draw = np.random.default_rng(len(whole))
    try:
        for _ in range(count):
            place = int(draw.integers(len(whole)) if places is None else draw.choice(places))
            content = bytearray(whole)
            content[place] ^= int(draw.integers(1, 256))
            path.write_bytes(bytes(content))
            yield f"byte {place}: {whole[place]} -> {content[place]}"
    finally:
        path.write_bytes(whole)


def read_or_refusal(path: Path, largest: int | None) -> Volume | None:
    """None where the change is told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", GeometryWarning)
        try:
            return read_volume(path, largest=largest)
        except (InputError, GeometryWarning) as message:
            assert len(str(message).splitlines()) == 1
            return None


def check(
    path: Path,
    study: Path,
    places: Sequence[int] | None = None,
    *,
    count: int = CHANGES,
    limits: Sequence[int | None] = (None, 300),
) -> int:
    """How many of the changes were refused; all others must have changed nothing."""
    refusal = 0
    for largest in limits:
        whole = read_volume(study, largest=largest)
        for what in changed(path, places, count):
            volume = read_or_refusal(study, largest)
            refusal += volume is None
            if volume is not None:
                np.testing.assert_array_equal(volume.array, whole.array, err_msg=what)
                np.testing.assert_allclose(volume.affine, whole.affine, atol=1e-6, err_msg=what)
                assert volume.modality is whole.modality, what
    return refusal


def write_itk(path: Path, *, packed: bool) -> Path:
    lps = LPS_TO_RAS @ AFFINE
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(voxels().T))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=packed)
    return path


def header_length(content: bytes) -> int:
    """Where the header of a NRRD or MetaImage file ends."""
    last = b"ElementDataFile = LOCAL\n"
    return content.index(last) + len(last) if last in content else content.index(b"\n\n") + 2


def telling(content: bytes) -> list[int]:
    """The places in a header that say something else than where the voxels lie in the patient."""
    places, start = [], 0
    for line in content[: header_length(content)].splitlines(keepends=True):
        if not line.startswith(PLACING):
            places += range(start, start + len(line))
        start += len(line)
    return places


def test_a_packed_nifti_is_verified_to_its_last_byte(tmp_path: Path) -> None:
    path = tmp_path / "study.nii.gz"
    nibabel.Nifti1Image(voxels(), AFFINE).to_filename(path)
    assert check(path, path) > CHANGES


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_packed_voxels_behind_a_header_are_verified(suffix: str, tmp_path: Path) -> None:
    path = write_itk(tmp_path / f"study{suffix}", packed=True)
    content = path.read_bytes()
    packed = range(header_length(content), len(content))
    assert check(path, path, packed) > 1.9 * CHANGES


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_header_that_does_not_fit_its_voxels_is_refused(
    suffix: str, packed: bool, tmp_path: Path
) -> None:
    path = write_itk(tmp_path / f"study{suffix}", packed=packed)
    assert check(path, path, telling(path.read_bytes())) > 0


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_header_that_leaves_out_slices_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"study{suffix}"
    if suffix.startswith(".nii"):
        image = nibabel.Nifti1Image(voxels(), AFFINE)
        image.to_filename(tmp_path / "whole.nii")
        content = bytearray((tmp_path / "whole.nii").read_bytes())
        content[46] -= 1  # the third of the dimensions
        path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else bytes(content))
    else:
        whole = write_itk(path, packed=False).read_bytes()
        path.write_bytes(whole.replace(b" 12 11 10\n", b" 12 11 9\n"))
    with pytest.raises(InputError, match="not a whole"):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_axes_that_are_not_perpendicular_are_refused(suffix: str, tmp_path: Path) -> None:
    path = write_itk(tmp_path / f"study{suffix}", packed=False)
    content = path.read_bytes()
    place = content.index(b"space directions: (" if suffix == ".nrrd" else b"TransformMatrix = ")
    line = content[place:].splitlines()[0]
    sheared = line.replace(b"(0,1.5,0)", b"(1,1.5,0)").replace(b"= 0 ", b"= 1 ")
    assert sheared != line
    path.write_bytes(content.replace(line, sheared))
    with pytest.raises(InputError, match="not perpendicular"):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_header_that_promises_more_than_a_packed_file_can_hold_takes_no_memory(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_itk(tmp_path / f"study{suffix}", packed=True)
    content = path.read_bytes()
    path.write_bytes(content.replace(b" 12 11 10\n", b" 30000 30000 30000\n"))
    monkeypatch.setattr(np, "empty", lambda *_, **__: pytest.fail("memory was taken"))
    with pytest.raises(InputError, match="not a whole"):
        read_volume(path)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_header_of_a_series_is_refused_or_made_good_by_the_others(
    modality: str, tmp_path: Path
) -> None:
    values = voxels()[:, :, :6]
    rescale = [(1.0, -1024.0)] * 6 if modality == "CT" else None
    paths = write_series(tmp_path, values, AFFINE, modality=modality, rescale=rescale)
    for path in paths:
        declare_padding(path, -2000)
        change(path, RescaleType="HU" if modality == "CT" else "US")
    refusal = 0
    for place in (0, 2, 5):
        content = paths[place].read_bytes()
        header = range(content.rindex(b"\xe0\x7f\x10\x00") + 12)
        refusal += check(paths[place], tmp_path, header, count=CHANGES // 3, limits=[None])
    assert refusal > 0


@pytest.mark.parametrize("write", [write_nifti, write_nrrd, write_mha, write_dicom])
def test_a_changed_byte_of_unpacked_voxels_makes_another_study(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """What is kept is found by the bytes: it is never that of the study before the change."""
    values = voxels()[:, :, :4]
    study = write(tmp_path, values, AFFINE)
    known = KnownStudies(tmp_path / "cache")
    whole = volume_of(known.open(study))
    files = sorted(study.iterdir()) if study.is_dir() else [study]
    for path in files:
        length = len(path.read_bytes())
        places = range(length - values.nbytes // len(files), length)
        for number, what in enumerate(changed(path, places, CHANGES // len(files))):
            other = read_volume(study)
            assert other.content_hash != whole.content_hash, what
            assert (other.array != whole.array).sum() == 1, what
            np.testing.assert_array_equal(other.affine, whole.affine)
            if number % 20 == 0:
                assert known.open(study).content_hash == other.content_hash, what
    assert isinstance(known.open(study), KnownStudy)
    assert known.open(study).content_hash == whole.content_hash


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000", "JPEG-LS"])
def test_a_changed_byte_of_packed_pixels_is_refused_or_makes_another_study(
    kind: str, tmp_path: Path
) -> None:
    paths = write_series(tmp_path, voxels()[:, :, :2], AFFINE)
    for path in paths:
        compress(path, kind)
    whole = read_volume(tmp_path)
    refusal = 0
    for path in paths:
        content = path.read_bytes()
        pixels = range(content.rindex(b"\xe0\x7f\x10\x00"), len(content))
        for what in changed(path, pixels, CHANGES // 6):
            volume = read_or_refusal(tmp_path, None)
            refusal += volume is None
            if volume is not None:
                same = np.array_equal(volume.array, whole.array)
                assert same == (volume.content_hash == whole.content_hash), what
                np.testing.assert_array_equal(volume.affine, whole.affine)
    assert refusal > 0
