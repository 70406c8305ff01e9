"""The studies folder: whole files at any time, and a list of images that never flickers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from monailabel.interfaces.exception import ImageNotFoundException
from pydicom.dataset import Dataset

from monailabel_app.failures import RequestError
from monailabel_app.monai_label.datastore import (
    PacsStudies,
    StudiesFolder,
    series_title,
)
from monailabel_app.store.database import Database
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.study_store import VOLUME_PATTERNS
from monailabel_app.studies.uploads import Uploads
from tests.io.dicom.dicom_builder import write_series
from tests.io.stored_studies import write_dicom, write_mha, write_nifti, write_nrrd


def write_image(path: Path, value: int = 1) -> Path:
    array = np.full((4, 5, 6), value, np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    studies = tmp_path / "studies"
    studies.mkdir()
    for name in ("a", "b.c", "1.2.840"):
        write_image(studies / f"{name}.nii.gz")
    (studies / "notes.txt").write_text("no image")
    (studies / "picture.png").write_bytes(b"no volume")
    return studies


@pytest.fixture
def store(folder: Path) -> StudiesFolder:
    return StudiesFolder(str(folder), extensions=VOLUME_PATTERNS)


def test_volumes_and_dicom_folders_are_images_and_nothing_else(folder: Path) -> None:
    write_series(folder / "series", np.ones((4, 4, 3), np.int16), np.eye(4))
    (folder / "empty").mkdir()
    write_image(folder / ".partial-x.nii.gz")
    store = StudiesFolder(str(folder), extensions=VOLUME_PATTERNS)
    assert sorted(store.list_images()) == ["1.2.840", "a", "b.c", "series"]
    assert Path(store.get_image_uri("series")) == folder / "series"
    shutil.rmtree(folder / "series")
    store.refresh()
    assert "series" not in store.list_images()


def test_a_label_survives_a_save_that_is_cut_off(
    folder: Path, store: StudiesFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save_label("a", str(write_image(tmp_path / "one.nii.gz", 1)), "final", {"by": "AB"})
    label = folder / "labels" / "final" / "a.nii.gz"
    before = label.read_bytes()

    def cut_off(source: Path, target: Path) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("d24fad_core.files.shutil.copyfile", cut_off)
    with pytest.raises(OSError, match="No space left"):
        store.save_label("a", str(write_image(tmp_path / "two.nii.gz", 2)), "final", {})
    assert label.read_bytes() == before
    assert list(folder.rglob(".partial-*")) == []
    index = json.loads((folder / "datastore_v2.json").read_text())
    assert index["objects"]["a"]["labels"]["final"]["info"]["by"] == "AB"


def test_labels_come_back_after_a_restart(
    folder: Path, store: StudiesFolder, tmp_path: Path
) -> None:
    store.save_label("b.c", str(write_image(tmp_path / "m.nii.gz")), "original", {"result": "r"})
    again = StudiesFolder(str(folder), extensions=VOLUME_PATTERNS)
    assert again.get_label_info("b.c", "original")["result"] == "r"
    assert again.get_labeled_images() == []
    assert again.label_file("b.c", "original") == folder / "labels" / "original" / "b.c.nii.gz"
    assert again.label_file("b.c", "final") is None
    assert again.label_file("nobody", "original") is None
    with pytest.raises(ImageNotFoundException):
        again.save_label("nobody", str(tmp_path / "m.nii.gz"), "final", {})


@pytest.mark.parametrize("content", [b"", b'{"name": "x", "obj', b"\xff\xfe", b"[1, 2]"])
def test_a_damaged_index_is_made_anew_from_the_files(
    folder: Path, store: StudiesFolder, tmp_path: Path, content: bytes
) -> None:
    store.save_label("a", str(write_image(tmp_path / "m.nii.gz")), "final", {"by": "AB"})
    (folder / "datastore_v2.json").write_bytes(content)
    again = StudiesFolder(str(folder), extensions=VOLUME_PATTERNS)
    assert sorted(again.list_images()) == ["1.2.840", "a", "b.c"]
    assert again.get_labeled_images() == ["a"]
    (aside,) = again.damaged
    assert aside.read_bytes() == content
    assert StudiesFolder(str(folder), extensions=VOLUME_PATTERNS).damaged == []


class NeverEmptied(dict[str, object]):
    """A list of images that readers would find empty if it were cleared to be filled again."""

    def clear(self) -> None:
        raise AssertionError("the images were cleared while others may read them")


def test_a_removed_image_is_not_listed_until_the_watcher_has_seen_it(
    store: StudiesFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_auto_reload", True)  # the stock method waits for the watcher
    store.remove_image("a")
    assert sorted(store.list_images()) == ["1.2.840", "b.c"]
    store.refresh()
    assert sorted(store.list_images()) == ["1.2.840", "b.c"]


def test_the_list_is_never_empty_while_the_folder_is_looked_through(
    folder: Path, store: StudiesFolder
) -> None:
    store._datastore.objects = NeverEmptied(store._datastore.objects)
    store.refresh()
    assert len(store.list_images()) == 3
    (folder / "a.nii.gz").unlink()
    store.refresh()
    assert sorted(store.list_images()) == ["1.2.840", "b.c"]


def test_images_are_named_by_id_only_and_hashes_follow_their_content(
    folder: Path, store: StudiesFolder, database: Database
) -> None:
    images = ImageCatalogue(store, FileHashes(database), Uploads(database))
    for name in ("nobody", "../studies/a", str(folder / "a.nii.gz"), ""):
        with pytest.raises(RequestError) as refusal:
            images.study(name)
        assert refusal.value.code == "unknown_image"
    assert images.matching(["a", "b*"]) == ("a", "b.c")
    first = images.content_hash(images.study("a"))
    assert images.holder(first) == "a"
    again = ImageCatalogue(store, FileHashes(database), Uploads(database))
    assert again.hash_if_known("a") == first
    write_image(folder / "a.nii.gz", 2)
    assert again.hash_if_known("a") is None
    assert again.content_hash(again.study("a")) != first


@pytest.mark.parametrize("write", [write_nifti, write_nrrd, write_mha, write_dicom])
def test_one_changed_byte_of_unpacked_voxels_is_another_image(
    tmp_path: Path, database: Database, write: Callable[..., Path]
) -> None:
    """They carry no checksum: only the hash tells that the image changed since it was analysed."""
    (tmp_path / "studies").mkdir()
    voxels = np.random.default_rng(0).integers(0, 900, (9, 8, 7)).astype(np.int16)
    study = write(tmp_path / "studies", voxels, np.diag([2.0, 2.0, 3.0, 1.0]))
    store = StudiesFolder(str(tmp_path / "studies"), extensions=VOLUME_PATTERNS)
    images = ImageCatalogue(store, FileHashes(database), Uploads(database))
    (image,) = images.identifiers()
    before = images.content_hash(images.study(image))
    file = sorted(study.iterdir())[3] if study.is_dir() else study
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(bytes(content))
    assert images.content_hash(images.study(image)) != before


def series(**elements: object) -> Dataset:
    dataset = Dataset()
    dataset.SeriesInstanceUID = "1.2.826.0.1.999123456"
    dataset.PatientName, dataset.PatientID = "Secret^Patient", "4711"
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.parametrize(
    ("elements", "title"),
    [
        (
            {
                "SeriesDescription": "T2 FLAIR\n",
                "Modality": "MR",
                "StudyDate": "20260102",
                "NumberOfSeriesRelatedInstances": 24,
            },
            "T2 FLAIR, MR, 2026-01-02, 24 images, …123456",
        ),
        (
            {"SeriesDate": "20260203", "StudyDate": "20260102", "Modality": "CT"},
            "CT, 2026-02-03, …123456",
        ),
        ({"NumberOfSeriesRelatedInstances": 1, "SeriesDescription": ""}, "1 image, …123456"),
        ({"SeriesDescription": "x" * 90}, f"{'x' * 64}, …123456"),
        ({}, "…123456"),
    ],
)
def test_a_series_has_a_title_without_its_patient(elements: dict[str, object], title: str) -> None:
    assert series_title(series(**elements)) == title


def test_series_of_a_pacs_are_listed_by_uid_and_called_by_title(
    tmp_path: Path, database: Database
) -> None:
    class Pacs:
        """What the datastore asks of a DICOMweb client."""

        base_url = "http://127.0.0.1/dicom-web"

        def search_for_series(self, search_filters: dict[str, str]) -> list[dict[str, object]]:
            return [series(**search_filters).to_json_dict()]

    store = PacsStudies(Pacs(), str(tmp_path), [{"Modality": "CT"}, {"Modality": "MR"}])
    uid = "1.2.826.0.1.999123456"
    assert store.list_images() == [uid]
    assert store.title(uid) == "MR, …123456"
    assert store.title("gone") == "gone"
    assert (
        ImageCatalogue(store, FileHashes(database), Uploads(database)).title(uid) == "MR, …123456"
    )


def test_an_image_of_a_folder_is_called_by_its_id(store: StudiesFolder, database: Database) -> None:
    assert ImageCatalogue(store, FileHashes(database), Uploads(database)).title("b.c") == "b.c"
