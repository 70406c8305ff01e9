"""A folder without an index, and MONAI Label's datastore on the same one."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from monailabel_app.failures import RequestError
from monailabel_app.local.folder_studies import FolderStudies
from monailabel_app.monai_label.datastore import StudiesFolder
from monailabel_app.studies.study_store import VOLUME_PATTERNS, Pacs
from tests.io.dicom.dicom_builder import write_series


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    folder.mkdir()
    for name in ("b.nii.gz", "a.nii", ".partial-c.nii", "notes.txt", "a.b.mha"):
        (folder / name).write_bytes(b"volume")
    write_series(folder / "series", np.zeros((4, 4, 2), np.int16), np.eye(4))
    (folder / "empty").mkdir()
    return folder


def test_what_lies_in_the_folder_is_listed_as_monai_label_lists_it(folder: Path) -> None:
    images = FolderStudies(folder).list_images()
    assert images == ["a.b", "a", "b", "series"]
    stock = StudiesFolder(str(folder), extensions=VOLUME_PATTERNS, auto_reload=False)
    assert set(images) == set(stock.list_images())
    for image in images:
        assert FolderStudies(folder).get_image_uri(image) == stock.get_image_uri(image)


def test_what_comes_and_goes_is_noticed(folder: Path) -> None:
    studies = FolderStudies(folder)
    assert "empty" not in studies.list_images()
    shutil.copy(next((folder / "series").iterdir()), folder / "empty")
    (folder / "b.nii.gz").unlink()
    assert studies.list_images() == ["a.b", "a", "empty", "series"]


def test_labels_are_found_again_also_by_monai_label(folder: Path, tmp_path: Path) -> None:
    label = tmp_path / "drawn.nii.gz"
    label.write_bytes(b"label")
    studies = FolderStudies(folder)
    assert studies.save_label("b", str(label), "final", {}) == "b"
    assert (folder / "labels" / "final" / "b.nii.gz").read_bytes() == b"label"
    assert studies.label_file("b", "final") == folder / "labels" / "final" / "b.nii.gz"
    assert studies.label_file("b", "original") is None
    assert FolderStudies(folder).get_labels_by_image_id("b") == {"final": "b"}
    assert FolderStudies(folder).get_labels_by_image_id("a") == {}
    stock = StudiesFolder(str(folder), extensions=VOLUME_PATTERNS, auto_reload=False)
    assert set(stock.get_labels_by_image_id("b")) == {"final"}


def test_an_image_is_copied_once_and_stays_where_it_was_received(
    folder: Path, tmp_path: Path
) -> None:
    studies = FolderStudies(folder)
    sent = tmp_path / "sent.nii.gz"
    sent.write_bytes(b"sent")
    assert studies.add_image("new", str(sent), {}) == "new"
    path = Path(studies.get_image_uri("new"))
    assert path == folder / "new.nii.gz" and path.read_bytes() == b"sent"
    assert studies.add_image("new", str(path), {}) == "new"
    assert path.read_bytes() == b"sent"


def test_an_unknown_image_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no image 'nope'"):
        FolderStudies(folder).get_image_uri("nope")
    with pytest.raises(RequestError, match="no image 'nope'"):
        FolderStudies(folder).save_label("nope", str(tmp_path / "x.nii.gz"), "final", {})
    assert not isinstance(FolderStudies(folder), Pacs)
