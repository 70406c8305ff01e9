"""Support sets: nobody empties the operator's, and nothing joins one by its name."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from monailabel_app.failures import RequestError
from monailabel_app.normals.support_sets import Member, SupportSetRecord, SupportSets
from monailabel_app.studies.datastore import VOLUME_PATTERNS, StudiesFolder
from monailabel_app.studies.images import ImageCatalogue


def write_image(path: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), np.int16), np.eye(4)), path)
    return path


@pytest.fixture
def store(tmp_path: Path) -> StudiesFolder:
    studies = tmp_path / "studies"
    studies.mkdir()
    for name in ("support-1", "support-2", "case"):
        write_image(studies / f"{name}.nii.gz")
    return StudiesFolder(str(studies), extensions=VOLUME_PATTERNS)


@pytest.fixture
def sets(store: StudiesFolder, tmp_path: Path) -> SupportSets:
    images = ImageCatalogue(store, tmp_path / "hashes.json")
    return SupportSets(tmp_path / "sets", images, ("support*",))


def test_the_default_set_is_not_created_over(sets: SupportSets) -> None:
    with pytest.raises(RequestError) as refused:
        sets.create(SupportSetRecord("default"))
    assert refused.value.code == "already_exists"
    assert sets.get("default").images == ("support-1", "support-2")


def test_an_upload_joins_no_set_by_its_name(
    store: StudiesFolder, sets: SupportSets, tmp_path: Path
) -> None:
    store.add_upload("support-3", str(write_image(tmp_path / "sent.nii.gz")), {"by": "AB"})
    assert "support-3" in store.list_images()
    assert sets.get("default").images == ("support-1", "support-2")
    # What a client says of it afterwards does not make it the operator's own, nor the reverse.
    store.update_image_info("support-3", {"d24fad_uploaded": False})
    store.update_image_info("support-1", {"d24fad_uploaded": True})
    assert sets.get("default").images == ("support-1", "support-2")
    again = StudiesFolder(str(tmp_path / "studies"), extensions=VOLUME_PATTERNS)
    images = ImageCatalogue(again, tmp_path / "hashes.json")
    assert images.was_uploaded("support-3") and not images.was_uploaded("support-1")
    sets.add("default", Member("support-3"))
    assert sets.get("default").images == ("support-1", "support-2", "support-3")
    assert sets.holding("support-3") == ("default",)
