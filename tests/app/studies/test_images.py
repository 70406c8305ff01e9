"""Studies of the server, by image id alone."""

import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest

from d24fad_core.io.known_studies import KnownStudies, KnownStudy
from d24fad_core.io.reading import read_volume
from d24fad_core.volumes.volume import Modality, Volume
from monailabel_app.failures import RequestError
from monailabel_app.monai_label.datastore import StudiesFolder
from monailabel_app.store.database import Database
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue, Study
from monailabel_app.studies.study_store import VOLUME_PATTERNS
from monailabel_app.studies.uploads import Uploads


def assert_unsuitable(study: Study, sentence: str) -> None:
    """Neither way of reading a study takes it."""
    known = KnownStudies(study.path.parent / "known")
    for reader in (study.volume, lambda: study.source(known)):
        with pytest.raises(RequestError, match=sentence) as caught:
            reader()
        assert caught.value.code == "unsuitable_image"


def test_a_name_is_kept_for_whoever_sends_first(tmp_path: Path, database: Database) -> None:
    (tmp_path / "There.nii").touch()
    images = ImageCatalogue(
        StudiesFolder(str(tmp_path), extensions=VOLUME_PATTERNS),
        FileHashes(database),
        Uploads(database),
    )

    def is_refused(name: str) -> bool:
        try:
            with images.reserve(name):
                return False
        except RequestError as error:
            return error.code == "already_exists"

    with images.reserve("scan"):
        assert is_refused("scan") and is_refused("SCAN")
        assert not is_refused("another")
    assert not is_refused("scan")
    assert is_refused("There") and is_refused("there")


def test_a_normal_study_is_read_once_and_has_its_image_id(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 100, (6, 7, 8)).astype(np.int16)
    nibabel.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / "file.nii.gz")
    study, known = Study("image", tmp_path / "file.nii.gz"), KnownStudies(tmp_path / "cache")
    first, second = (study.source(known, Modality.MR) for _ in range(2))
    assert isinstance(first, Volume) and isinstance(second, KnownStudy)
    assert first.name == second.name == second.read().name == "image"
    assert first.content_hash == second.content_hash
    assert second.modality is Modality.MR


def test_a_study_that_cannot_be_read_is_refused_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "secret-name.nii.gz").write_bytes(b"junk")
    study = Study("image", tmp_path / "secret-name.nii.gz")
    with pytest.raises(RequestError) as caught:
        study.source(KnownStudies(tmp_path / "cache"))
    assert caught.value.code == "unreadable_image"
    assert str(tmp_path) not in str(caught.value) and "secret-name" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_small_file_that_unpacks_to_gigabytes_is_refused_by_its_header(
    suffix: str, tmp_path: Path
) -> None:
    zeros = gzip.compress(bytes(1 << 20))
    headers = {
        ".nrrd": b"NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\n"
        b"sizes: 900 900 700\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
        b"encoding: gzip\nspace origin: (0,0,0)\n\n",
        ".mha": b"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = True\n"
        b"TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 1 1\n"
        b"DimSize = 900 900 700\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n",
    }
    path = tmp_path / f"bomb{suffix}"
    if suffix == ".nii.gz":
        content = bytearray(nibabel.Nifti1Image(np.zeros((2, 2, 2), "u1"), np.eye(4)).to_bytes())
        content[42:48] = struct.pack("<3h", 900, 900, 700)
        path.write_bytes(gzip.compress(bytes(content)) + zeros)
    else:
        path.write_bytes(headers[suffix] + zeros)
    assert_unsuitable(Study("bomb", path), "900 x 900 x 700 voxels are more")


@pytest.mark.parametrize("place", ["other.raw", "../other/other.raw", "{folder}/other.raw"])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_header_that_names_another_file_of_the_server_is_refused(
    suffix: str, place: str, tmp_path: Path
) -> None:
    """Else a client reads as an image whatever the server may read."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "other.raw").write_bytes(np.arange(8**3, dtype=np.int16).tobytes())
    named = place.format(folder=folder)
    headers = {
        ".nrrd": "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
        "sizes: 8 8 8\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nendian: little\n"
        f"encoding: raw\nspace origin: (0,0,0)\ndata file: {named}\n\n",
        ".mha": "ObjectType = Image\nNDims = 3\nBinaryData = True\nOffset = 0 0 0\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nElementSpacing = 1 1 1\nDimSize = 8 8 8\n"
        f"ElementType = MET_SHORT\nElementDataFile = {named}\n",
    }
    path = folder / f"image{suffix}"
    path.write_text(headers[suffix])
    assert read_volume(path).shape == (8, 8, 8)  # the command line reads the user's own files
    assert_unsuitable(Study("image", path), "image: its header names another file")
