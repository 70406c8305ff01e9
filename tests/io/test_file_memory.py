"""A file that changed although nobody wrote to it is refused; whoever writes to it is believed."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from d24fad_core.errors import InputError
from d24fad_core.io import file_memory
from d24fad_core.io.file_memory import FileState
from d24fad_core.io.known_studies import KnownStudies
from d24fad_core.io.reading import read_volume
from tests.byte_changes import change_bytes
from tests.io.stored_studies import (
    write_dicom,
    write_mha,
    write_nifti,
    write_nrrd,
    write_packed_nifti,
)
from tests.silent_changes import flip_a_bit, hide_writings

CHANGES = 200
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def voxels(seed: int = 0) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(0, 900, (8, 7, 4)).astype(np.int16)


@pytest.fixture
def known(tmp_path: Path) -> KnownStudies:
    return KnownStudies(tmp_path / "cache")


def test_a_writing_long_ago_is_told_from_one_just_now(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    now = FileState.of(path)
    assert not now.is_left_alone()
    os.utime(path, (0, 0))
    assert FileState.of(path) != now
    assert not FileState.of(path).is_left_alone(), "it was dated back just now"
    assert FileState(0, *[time.time_ns() - 61 * 10**9] * 2).is_left_alone()


@pytest.mark.parametrize(
    "write", [write_nifti, write_packed_nifti, write_nrrd, write_mha, write_dicom]
)
def test_any_byte_that_changed_silently_is_refused(
    write: Callable[..., Path],
    known: KnownStudies,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = write(tmp_path, voxels(), AFFINE)
    files = sorted(study.iterdir()) if study.is_dir() else [study]
    hide_writings(monkeypatch)
    whole = known.open(study)
    draw = np.random.default_rng(0)
    for _ in range(CHANGES):
        path = files[int(draw.integers(len(files)))]
        content = bytearray(former := path.read_bytes())
        place = int(draw.integers(len(content)))
        content[place] ^= int(draw.integers(1, 256))
        path.write_bytes(bytes(content))
        with pytest.raises(InputError, match="holds other bytes than when it was read before"):
            known.open(study)
        path.write_bytes(former)
    assert known.open(study).content_hash == whole.content_hash


def test_files_that_changed_places_are_noticed(
    known: KnownStudies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_dicom(tmp_path, voxels(), AFFINE)
    hide_writings(monkeypatch)
    known.open(study)
    first, second = sorted(study.iterdir())[:2]
    first.rename(tmp_path / "aside")
    second.rename(first)
    (tmp_path / "aside").rename(second)
    with pytest.raises(InputError, match="other bytes"):
        known.open(study)


def date_as_before(path: Path) -> None:
    """Write other voxels and set the date back, as `touch -r` and `cp -p` do."""
    before = path.stat()
    flip_a_bit(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def copy_over(path: Path) -> None:
    other = path.with_name("other")
    other.mkdir()
    before = path.stat()
    shutil.copy2(write_nifti(other, voxels(1), AFFINE), path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rename_over(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy2(path, other)
    flip_a_bit(other)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("replace", [flip_a_bit, date_as_before, copy_over, rename_over])
def test_a_file_that_somebody_replaced_is_another_study(
    replace: Callable[[Path], None],
    known: KnownStudies,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Remembered at once, which makes it the hardest: only the system's own time tells."""
    monkeypatch.setattr(file_memory, "_LEFT_ALONE_NS", -1)
    path = write_nifti(tmp_path, voxels(), AFFINE)
    former, changed_ns = known.open(path).content_hash, path.stat().st_ctime_ns
    replace(path)
    while path.stat().st_ctime_ns == changed_ns:  # a clock's tick may have two changes
        path.touch()
    assert known.open(path).content_hash == read_volume(path).content_hash != former


def test_what_was_written_just_now_is_not_remembered(
    known: KnownStudies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writings within a tick of the file system's clock, or before a network folder tells."""
    path = write_nifti(tmp_path, voxels(), AFFINE)
    now = time.time_ns()
    monkeypatch.setattr(FileState, "of", lambda _: FileState(1, now, now))
    former = known.open(path).content_hash
    flip_a_bit(path)
    assert known.open(path).content_hash == read_volume(path).content_hash != former


def test_a_file_that_is_being_written_is_not_remembered(
    known: KnownStudies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_nifti(tmp_path, voxels(), AFFINE)
    times = iter(range(100))
    monkeypatch.setattr(FileState, "of", lambda _: FileState(1, next(times), 1))
    known.open(path)
    assert not (tmp_path / "cache" / "files").exists()


def test_a_new_date_says_that_the_change_was_meant(
    known: KnownStudies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_nifti(tmp_path, voxels(), AFFINE)
    with monkeypatch.context() as silently:
        hide_writings(silently)
        known.open(path)
        flip_a_bit(path)
        with pytest.raises(InputError, match=r"new date \(touch\)"):
            known.open(path)
    path.touch()
    assert known.open(path).content_hash == read_volume(path).content_hash


def test_a_copy_that_changed_on_its_way_is_judged_by_itself(
    known: KnownStudies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_nifti(tmp_path, voxels(), AFFINE)
    hide_writings(monkeypatch)
    known.open(path)
    copy = Path(shutil.copy(path, tmp_path / "copy.nii"))
    flip_a_bit(copy)
    assert known.open(copy).content_hash == read_volume(copy).content_hash


def test_a_damaged_memory_refuses_nothing_and_names_nobody(
    known: KnownStudies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Doe").mkdir()
    path = write_nifti(tmp_path / "Doe", voxels(), AFFINE)
    hide_writings(monkeypatch)
    whole = known.open(path)
    (entry,) = (tmp_path / "cache" / "files").iterdir()
    assert "Doe" not in entry.name + entry.read_text()
    remembered = entry.read_bytes()
    for _ in change_bytes(entry):
        assert known.open(path).content_hash == whole.content_hash
        assert entry.read_bytes() == remembered
