"""A checksum that comes with a file tells any change of it, whatever its format."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from d24fad_core.errors import InputError
from d24fad_core.io.reading import read_volume
from tests.io.stored_studies import write_mha, write_nifti, write_nrrd
from tests.io.test_changed_bytes import AFFINE, changed, voxels


@pytest.fixture(params=[write_nifti, write_nrrd, write_mha])
def scan(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write: Callable[..., Path] = request.param
    return write(tmp_path, voxels(), AFFINE)


def beside(scan: Path, text: str, algorithm: str = "sha256") -> Path:
    path = scan.with_name(f"{scan.name}.{algorithm}")
    path.write_text(text)
    return path


def sha256(scan: Path) -> str:
    return hashlib.sha256(scan.read_bytes()).hexdigest()


def test_any_byte_that_changed_is_told(scan: Path) -> None:
    """Unpacked voxels and the numbers that place them, too: 200 changes."""
    whole = read_volume(scan)
    beside(scan, f"{sha256(scan)}  {scan.name}\n")
    np.testing.assert_array_equal(read_volume(scan).array, whole.array)
    for what in changed(scan, None, 200):
        with pytest.raises(InputError, match=r"checksum is .*was changed or damaged"):
            pytest.fail(f"{what}: {read_volume(scan).name} was read")


def test_checksums_are_read_as_programs_write_them(tmp_path: Path) -> None:
    scan = write_nrrd(tmp_path, voxels(), AFFINE)
    digest = sha256(scan)
    for text in (
        digest,
        f"{digest.upper()}\n",
        f"{digest} *{scan.name}\n",
        f"{digest}  ./data/{scan.name}\r\n",
        f"{'0' * 64}  other.nrrd\n{digest}  {scan.name}\n",
    ):
        beside(scan, text)
        read_volume(scan)
    beside(scan, hashlib.md5(scan.read_bytes()).hexdigest(), "md5")
    read_volume(scan)
    beside(scan, "0" * 32, "md5")
    with pytest.raises(InputError, match="md5 checksum is"):
        read_volume(scan)


@pytest.mark.parametrize("text", ["", "none", "0" * 63, f"{'0' * 64}  other.nrrd\n"])
def test_a_checksum_file_that_names_none_is_refused(tmp_path: Path, text: str) -> None:
    scan = write_nrrd(tmp_path, voxels(), AFFINE)
    path = beside(scan, text)
    with pytest.raises(InputError, match="holds no sha256 checksum of") as refusal:
        read_volume(scan)
    assert path.name in str(refusal.value)


def test_the_key_of_git_annex_is_verified(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    source = write_nrrd(tmp_path / "objects", voxels(), AFFINE)
    key = f"SHA256E-s{source.stat().st_size}--{sha256(source)}.nrrd"
    annexed = source.rename(source.with_name(key))
    scan = tmp_path / "scan.nrrd"
    scan.symlink_to(annexed)
    read_volume(scan)
    for _ in changed(annexed, None, 5):
        with pytest.raises(InputError, match="its git-annex key says"):
            read_volume(scan)
