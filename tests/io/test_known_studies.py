"""A study is read once; after that its bytes tell what it holds."""

import json
import shutil
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest

from d24fad_core.cache.folder import CacheWarning
from d24fad_core.errors import InputError
from d24fad_core.io import known_studies
from d24fad_core.io.known_studies import KnownStudies, KnownStudy, volume_of
from d24fad_core.io.reading import GeometryWarning, read_volume
from d24fad_core.volumes.volume import Modality, Volume
from tests.byte_changes import change_bytes
from tests.io.stored_studies import WRITERS, write_dicom, write_nifti

ALONE = [write for write in WRITERS if write.__name__ not in ("write_detached_nrrd", "write_mhd")]
BESIDE = [write for write in WRITERS if write not in ALONE]


def array(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 100, (6, 7, 8)).astype(np.int16)


@pytest.fixture
def known(tmp_path: Path) -> KnownStudies:
    return KnownStudies(tmp_path / "cache")


@pytest.mark.parametrize("write", ALONE)
def test_the_second_opening_tells_the_same_and_reads_nothing(
    write, known: KnownStudies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, array(), np.diag([2.0, 2.0, 3.0, 1.0]))
    first = known.open(path)
    assert isinstance(first, Volume)
    reading = known_studies.read_volume_and_doubt
    monkeypatch.setattr(known_studies, "read_volume_and_doubt", lambda *_: pytest.fail("read"))
    second = known.open(path)
    assert isinstance(second, KnownStudy)
    assert (second.name, second.content_hash, second.modality) == (
        first.name,
        first.content_hash,
        first.modality,
    )
    monkeypatch.setattr(known_studies, "read_volume_and_doubt", reading)
    np.testing.assert_array_equal(volume_of(second).array, first.array)


@pytest.mark.parametrize("write", BESIDE)
def test_a_header_whose_voxels_lie_beside_it_is_read_every_time(
    write, known: KnownStudies, tmp_path: Path
) -> None:
    path = write(tmp_path, array(), np.eye(4))
    before = known.open(path).content_hash
    write(tmp_path, array(1), np.eye(4))
    again = known.open(path)
    assert isinstance(again, Volume)
    assert again.content_hash != before


@pytest.mark.parametrize("write", [write_nifti, write_dicom])
def test_other_bytes_are_another_study_even_at_the_same_time_and_size(
    write, known: KnownStudies, tmp_path: Path
) -> None:
    import os

    path = write(tmp_path, array(), np.eye(4))
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    times = {file: file.stat() for file in files}
    before = known.open(path)
    write(tmp_path, array(1), np.eye(4))
    for file, status in times.items():
        assert file.stat().st_size == status.st_size
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert known.open(path).content_hash == read_volume(path).content_hash != before.content_hash


def test_a_slice_that_is_added_to_a_series_is_noticed(known: KnownStudies, tmp_path: Path) -> None:
    path = write_dicom(tmp_path, array(), np.eye(4))
    last = sorted(path.iterdir())[-1]
    shutil.move(last, tmp_path / "aside")
    before = known.open(path).content_hash
    shutil.move(tmp_path / "aside", last)
    assert known.open(path).content_hash == read_volume(path).content_hash != before


def test_a_file_that_gets_the_name_of_an_image_is_noticed(
    known: KnownStudies, tmp_path: Path
) -> None:
    path = write_dicom(tmp_path, array(), np.eye(4))
    (path / "notes").write_text("no image")
    known.open(path)
    assert isinstance(known.open(path), KnownStudy)
    (path / "notes").rename(path / "notes.dcm")
    with pytest.raises(InputError, match="named like a DICOM image but is none"):
        known.open(path)


def test_a_copy_elsewhere_is_known_by_its_own_name(known: KnownStudies, tmp_path: Path) -> None:
    path = write_nifti(tmp_path, array(), np.eye(4))
    known.open(path)
    copy = known.open(Path(shutil.copy(path, tmp_path / "copy.nii")))
    assert isinstance(copy, KnownStudy)
    assert copy.name == copy.read().name == "copy"


def test_what_a_study_is_taken_for_belongs_to_it(known: KnownStudies, tmp_path: Path) -> None:
    path = write_nifti(tmp_path, array(), np.eye(4))
    guessed = known.open(path)
    studies = [known.open(path, modality) for modality in (Modality.CT, Modality.MR)]
    assert [study.modality for study in studies] == [Modality.CT, Modality.MR]
    assert guessed.modality is known.open(path).modality is Modality.MR
    assert known.open(path, Modality.CT).content_hash == studies[0].content_hash


def test_a_doubt_about_the_geometry_is_told_at_every_opening(
    known: KnownStudies, tmp_path: Path
) -> None:
    image = nibabel.Nifti1Image(array(), None)
    image.header.set_zooms((2.0, 2.0, 2.0))
    image.to_filename(tmp_path / "placeless.nii")
    for kind in (Volume, KnownStudy):
        with pytest.warns(GeometryWarning, match="^placeless.nii: .* no orientation"):
            study = known.open(tmp_path / "placeless.nii")
        assert isinstance(study, kind)
    copy = shutil.copy(tmp_path / "placeless.nii", tmp_path / "copy.nii")
    with pytest.warns(GeometryWarning, match="^copy.nii: "):
        assert isinstance(known.open(Path(copy)), KnownStudy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known.open(write_nifti(tmp_path, array(), np.eye(4)))


def test_a_scan_that_must_be_reduced_is_read_every_time(
    known: KnownStudies, tmp_path: Path
) -> None:
    path = write_nifti(tmp_path, array(), np.eye(4))
    known.open(path)
    for _ in range(2):
        reduced = known.open(path, None, 100)
        assert isinstance(reduced, Volume) and reduced.reduction is not None
    assert isinstance(known.open(path), KnownStudy)


def test_a_file_replaced_while_it_is_read_is_not_remembered(
    known: KnownStudies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_nifti(tmp_path, array(), np.eye(4))
    reading = known_studies.read_volume_and_doubt

    def meanwhile(*arguments: object) -> object:
        outcome = reading(*arguments)  # type: ignore[arg-type]
        write_nifti(tmp_path, array(1), np.eye(4))
        return outcome

    monkeypatch.setattr(known_studies, "read_volume_and_doubt", meanwhile)
    known.open(path)
    assert not (tmp_path / "cache").exists()


def test_reading_a_known_study_that_changed_is_refused(known: KnownStudies, tmp_path: Path) -> None:
    path = write_nifti(tmp_path, array(), np.eye(4))
    known.open(path)
    study = known.open(path)
    write_nifti(tmp_path, array(1), np.eye(4))
    with pytest.raises(InputError, match="study: the scan changed while it was in use"):
        volume_of(study)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"content_hash": "0"}', "half"])
def test_a_damaged_memory_only_costs_a_reading(
    content: str, known: KnownStudies, tmp_path: Path
) -> None:
    path = write_nifti(tmp_path, array(), np.eye(4))
    known.open(path)
    (entry,) = (tmp_path / "cache").rglob("*.json")
    whole = entry.read_text()
    entry.write_text(whole[: len(whole) // 2] if content == "half" else content)
    assert isinstance(known.open(path), Volume)
    assert entry.read_text() == whole
    document = json.loads(whole)
    assert document.keys() == {"values", "checksum"}
    assert json.loads(document["values"]) == [read_volume(path).content_hash, "MR", None]


@pytest.mark.parametrize("name", ["missing.nii", "notes.txt", "empty"])
def test_what_cannot_be_read_is_refused_as_by_reading(
    name: str, known: KnownStudies, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no scan")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as expected:
        read_volume(tmp_path / name)
    with pytest.raises(InputError) as refusal:
        known.open(tmp_path / name)
    assert str(refusal.value) == str(expected.value)
    assert not (tmp_path / "cache").exists()


def test_a_changed_byte_in_what_is_kept_costs_a_reading(
    known: KnownStudies, tmp_path: Path
) -> None:
    path = write_nifti(tmp_path, array(), np.eye(4))
    first = known.open(path)
    (entry,) = (tmp_path / "cache" / "studies").iterdir()
    for _ in change_bytes(entry):
        study = known.open(path)
        assert (study.content_hash, study.modality) == (first.content_hash, first.modality)


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    path = write_nifti(tmp_path, array(), np.eye(4))
    (tmp_path / "taken").write_text("a file")
    with pytest.warns(CacheWarning, match="cannot be written"):
        study = KnownStudies(tmp_path / "taken" / "cache").open(path)
    assert study.content_hash == read_volume(path).content_hash
