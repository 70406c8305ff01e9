"""A result is of the bytes that were read for it, or there is none."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.detection.comparison import ModelIdentity
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.files import hash_file
from d24fad_core.io.known_studies import StudySource, volume_of
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Modality, Volume
from monailabel_app.analysis.analyses import Analyses, AnalysisRequest
from monailabel_app.analysis.parameters import AnalysisParameters
from monailabel_app.analysis.results import ResultStore
from monailabel_app.failures import RequestError
from monailabel_app.store.database import Database
from monailabel_app.studies.file_hashes import FileHashes
from monailabel_app.studies.images import ImageCatalogue, Study
from monailabel_app.studies.uploads import Uploads
from tests.export.analysed_study import analysed
from tests.silent_changes import hide_writings

SHAPE = (12, 10, 8)


@dataclass(frozen=True)
class StoredNormals:
    """What of a support set a result's record names."""

    volumes: list[Volume]
    comparison: ComparisonKind = ComparisonKind.WINDOW


class ComparisonStandIn:
    """Reads the normals; what it says of a case does not matter here."""

    checkpoint_hash = "model"

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = meanwhile

    def identity(self, _: object) -> ModelIdentity:
        return ModelIdentity("model", "model")

    def prepare_support(self, studies: Sequence[StudySource], *_: object) -> StoredNormals:
        return StoredNormals([volume_of(study) for study in studies])

    def detect(self, case: Volume, *_: object) -> AnomalyResult:
        self.meanwhile()
        return analysed(SHAPE, case.affine, lesions=())[1]


class House:
    """Three studies, and what analyses the first beside the others."""

    def __init__(self, folder: Path, database: Database) -> None:
        studies = [Study(name, folder / f"{name}.nii") for name in ("case", "one", "two")]
        for number, study in enumerate(studies):
            write(study.path, number)
        no_datastore: Any = None
        images = ImageCatalogue(no_datastore, FileHashes(database), Uploads(database))
        self.store = ResultStore(folder / "results", database)
        self.comparison: Any = ComparisonStandIn(lambda: None)
        self.analyses = Analyses(
            lambda _: self.comparison, folder, images, self.store, folder / "cache"
        )
        parameters = AnalysisParameters(brain=BrainMask.NONE, modality=Modality.MR)
        self.request = AnalysisRequest(studies[0], (studies[1], studies[2]), parameters)
        self.case = studies[0].path


def rewrite(path: Path, content: bytes) -> None:
    """Write a file until its time of change is another: two changes may share a clock's tick."""
    before = path.stat().st_ctime_ns
    path.write_bytes(content)
    while path.stat().st_ctime_ns == before:
        path.write_bytes(content)


def write(path: Path, number: int) -> None:
    voxels = np.random.default_rng(number).integers(0, 900, SHAPE).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 3.0, 1.0]))
    path.touch()
    rewrite(path, image.to_bytes())


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    rewrite(path, bytes(content))


@pytest.fixture
def house(tmp_path: Path, database: Database) -> House:
    return House(tmp_path, database)


@pytest.mark.parametrize(
    "change",
    [
        lambda house: write(house.case, 7),
        lambda house: flip_a_bit(house.case),
        lambda house: write(house.request.support[1].path, 7),
        lambda house: house.case.unlink(),
    ],
    ids=["case replaced", "bit of the case", "normal replaced", "case removed"],
)
def test_a_study_that_changes_during_its_analysis_has_no_result(
    house: House, change: Callable[[House], None]
) -> None:
    """Its scores are of voxels that are no longer there: under the new hash they would be wrong."""
    house.comparison.meanwhile = lambda: change(house)
    with pytest.raises(RequestError) as refusal:
        house.analyses.run(house.request)
    assert refusal.value.code == "studies_changed"
    assert house.store.records() == []


def test_a_normal_that_was_replaced_during_an_analysis_is_read_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put back too, so that hashes alone would lead to the normals that are in memory."""
    normal = house.request.support[0].path
    whole, status = normal.read_bytes(), normal.stat()
    prepare, hashes = house.comparison.prepare_support, []

    def prepare_meanwhile(studies: Sequence[StudySource], *rest: object) -> StoredNormals:
        normals: StoredNormals = prepare(studies, *rest)
        hashes.append([volume.content_hash for volume in normals.volumes])
        return normals

    monkeypatch.setattr(house.comparison, "prepare_support", prepare_meanwhile)
    source = Study.source
    write_other = iter([lambda: write(normal, 7)])

    def source_meanwhile(self: Study, *arguments: Any) -> StudySource:
        next(write_other, lambda: None)()
        return source(self, *arguments)

    monkeypatch.setattr(Study, "source", source_meanwhile)
    with pytest.raises(RequestError):
        house.analyses.run(house.request)
    rewrite(normal, whole)
    os.utime(normal, ns=(status.st_atime_ns, status.st_mtime_ns))
    house.analyses.run(house.request)
    assert len(hashes) == 2
    assert hashes[0][0] != hashes[1][0]


@pytest.mark.parametrize("number", [0, 1], ids=["case", "normal"])
def test_a_bit_that_flips_under_the_file_system_before_an_analysis_is_refused(
    number: int, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_writings(monkeypatch)
    study = (house.request.query, *house.request.support)[number]
    former = house.analyses.identifier(house.request)
    flip_a_bit(study.path)
    assert house.analyses.identifier(house.request) == former
    with pytest.raises(RequestError) as refusal:
        house.analyses.run(house.request)
    assert refusal.value.code == "unreadable_image"
    assert refusal.value.cause.startswith(f"{study.name}: holds other bytes")
    assert str(study.path.parent) not in str(refusal.value)
    assert house.store.records() == []


def test_a_result_of_other_bytes_is_not_current(house: House) -> None:
    """One changed bit of unpacked voxels, the size and the date as they were."""
    former = house.analyses.run(house.request).record
    assert house.analyses.find(house.request) is not None
    status = house.case.stat()
    flip_a_bit(house.case)
    os.utime(house.case, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert house.analyses.find(house.request) is None
    now = house.analyses.run(house.request).record
    assert now.id != former.id
    assert now.image_sha256 == hash_file(house.case) != former.image_sha256
