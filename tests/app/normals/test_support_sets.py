"""Support sets: nobody empties the operator's, and nothing joins one by its name."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from d24fad_core.files import hash_file
from monailabel_app.failures import RequestError
from monailabel_app.monai_label.datastore import StudiesFolder
from monailabel_app.normals.support_sets import Member, SupportSetRecord, SupportSets
from monailabel_app.store.database import Database
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue
from monailabel_app.studies.study_store import VOLUME_PATTERNS
from monailabel_app.studies.uploads import Uploads


def write_image(path: Path, value: int = 1) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.full((4, 5, 6), value, np.int16), np.eye(4)), path)
    return path


@pytest.fixture
def store(tmp_path: Path) -> StudiesFolder:
    studies = tmp_path / "studies"
    studies.mkdir()
    for name in ("support-1", "support-2", "case"):
        write_image(studies / f"{name}.nii.gz")
    return StudiesFolder(str(studies), extensions=VOLUME_PATTERNS)


@pytest.fixture
def sets(store: StudiesFolder, database: Database) -> SupportSets:
    return SupportSets(database, catalogue(store, database), ("support*",))


def catalogue(store: StudiesFolder, database: Database) -> ImageCatalogue:
    return ImageCatalogue(store, FileHashes(database), Uploads(database))


def test_the_default_set_is_not_created_over(sets: SupportSets) -> None:
    with pytest.raises(RequestError) as refusal:
        sets.create(SupportSetRecord("default"))
    assert refusal.value.code == "already_exists"
    assert sets.get("default").images == ("support-1", "support-2")


def test_an_upload_joins_no_set_by_its_name(
    store: StudiesFolder, sets: SupportSets, database: Database, tmp_path: Path
) -> None:
    sent = write_image(tmp_path / "sent.nii.gz", 2)
    Uploads(database).add("support-3", hash_file(sent))
    store.add_image("support-3", str(sent), {"by": "AB"})
    assert "support-3" in store.list_images()
    assert sets.get("default").images == ("support-1", "support-2")
    # Nor once MONAI Label's index was lost and made anew.
    (tmp_path / "studies" / "datastore_v2.json").write_text("{")
    again = StudiesFolder(str(tmp_path / "studies"), extensions=VOLUME_PATTERNS)
    assert again.damaged and "support-3" in again.list_images()
    images = catalogue(again, database)
    assert images.was_uploaded("support-3") and not images.was_uploaded("support-1")
    sets.add("default", Member("support-3"))
    assert sets.get("default").images == ("support-1", "support-2", "support-3")
    assert sets.holding("support-3") == ("default",)


def test_a_file_that_the_operator_put_in_its_place_is_no_upload(
    store: StudiesFolder, database: Database, tmp_path: Path
) -> None:
    images = catalogue(store, database)
    images.uploads.add("case", hash_file(tmp_path / "studies" / "case.nii.gz"))
    assert images.was_uploaded("case")
    write_image(tmp_path / "studies" / "case.nii.gz", 3)
    assert not images.was_uploaded("case")
