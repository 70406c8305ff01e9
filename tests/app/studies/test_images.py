"""Studies of the server, by image id alone."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from d24fad_core.io.known_studies import KnownStudies, KnownStudy
from d24fad_core.volumes.volume import Modality, Volume
from monailabel_app.failures import RequestError
from monailabel_app.studies.images import Study


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
