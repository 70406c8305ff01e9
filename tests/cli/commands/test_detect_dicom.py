"""`d24fad detect --dicom`: objects beside the files, and into an archive."""

import json
from io import BytesIO
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
import requests
from PIL import Image
from pydicom.uid import SecondaryCaptureImageStorage
from typer.testing import CliRunner, Result

from d24fad_core.cli import app
from d24fad_core.export.dicom.codes import VOLUME
from tests.app.orthanc import Orthanc, available
from tests.change.patient import Lesion, Pose, scan_patient
from tests.cli.fake_detector import FakeDetector
from tests.io.dicom.dicom_builder import change, write_series


def dicom_study(folder: Path, seed: int, lesion: bool = False) -> None:
    """A noisy box with or without a bright cube, as a series."""
    values = np.zeros((24, 26, 12), dtype=np.int16)
    values[3:21, 3:23, 1:11] = np.random.default_rng(seed).normal(100, 6, (18, 20, 10))
    if lesion:
        values[14:18, 8:12, 5:8] = 190
    for path in write_series(folder, values, np.diag([2.0, 2.0, 3.0, 1.0])):
        change(path, FrameOfReferenceUID="1.2.3.4.5", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])


@pytest.fixture
def series(tmp_path: Path) -> Path:
    dicom_study(tmp_path / "case", 0, lesion=True)
    for number in (1, 2, 3):
        dicom_study(tmp_path / "normals" / f"normal-{number}", number)
    return tmp_path


def detect(folder: Path, *more: str | Path, fake: FakeDetector | None = None) -> Result:
    arguments = ["detect", folder / "case", "--out", folder / "out", "--no-html", *more]
    for number in (1, 2, 3):
        arguments += ["--support", folder / "normals" / f"normal-{number}"]
    detector = fake or FakeDetector()
    return CliRunner().invoke(app, [str(argument) for argument in arguments], obj=detector.load)


def test_the_objects_lie_beside_the_files(series: Path) -> None:
    run = detect(series, "--dicom")
    assert run.exit_code == 0, run.output
    folder = series / "out" / "dicom"
    assert str(folder) in run.stdout
    modalities = {path.stem: pydicom.dcmread(path).Modality for path in folder.glob("*.dcm")}
    assert modalities == {"segmentation": "SEG", "parametric_map": "OT", "report": "SR"} or (
        modalities["segmentation"] == "SEG" and modalities["report"] == "SR"
    )
    assert len(list((folder / "pictures").glob("*.dcm"))) == 12


def test_a_study_that_is_no_series_is_refused_before_the_analysis(studies: Path) -> None:
    fake = FakeDetector()
    arguments = ["detect", studies / "case.nii.gz", "--support", studies / "normals"]
    arguments += ["--out", studies / "out", "--dicom"]
    run = CliRunner().invoke(app, [str(argument) for argument in arguments], obj=fake.load)
    assert run.exit_code == 2
    assert "no folder with a DICOM series" in run.stderr
    assert fake.options is None and not (studies / "out").exists()


def test_an_archive_that_does_not_answer_is_told_and_the_files_stay(series: Path) -> None:
    run = detect(series, "--stow", "http://127.0.0.1:9/dicom-web")
    assert run.exit_code == 2
    assert "http://127.0.0.1:9/dicom-web: did not take the results" in run.stderr
    assert run.stderr.strip().count("\n") == 0
    assert (series / "out" / "dicom" / "segmentation.dcm").is_file()


def test_an_address_that_is_none_is_refused_before_the_analysis(series: Path) -> None:
    fake = FakeDetector()
    run = detect(series, "--stow", "pacs", fake=fake)
    assert run.exit_code == 2
    assert "pacs: is no address of a DICOMweb service" in run.stderr
    assert fake.options is None


def head_series(folder: Path, lesions: tuple[Lesion, ...], pose: Pose, seed: int) -> None:
    """A patient as a series."""
    scan = scan_patient(lesions=lesions, pose=pose, seed=seed)
    for path in write_series(folder, np.rint(scan.array).astype(np.int16), scan.affine):
        change(path, FrameOfReferenceUID="1.2.3.4.5", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])


@pytest.mark.parametrize("normals", [0, 2], ids=["alone", "with normals"])
def test_changes_since_a_prior_are_written_as_dicom(tmp_path: Path, normals: int) -> None:
    """Both studies are series; the report refers to both, and says what report.json says."""
    focus, old = Lesion((10.0, -8.0, 6.0), 5.0), Lesion((-12.0, 14.0, -8.0), 6.0)
    head_series(tmp_path / "case", (focus, old), Pose(), 1)
    head_series(tmp_path / "prior", (old,), Pose(3.0, shift=(3.0, -2.0, 4.0)), 2)
    arguments: list[str | Path] = ["detect", tmp_path / "case", "--prior", tmp_path / "prior"]
    arguments += ["--out", tmp_path / "out", "--dicom", "--no-html"]
    for person in range(1, normals + 1):
        scan = scan_patient(person=person)
        nib.save(nib.Nifti1Image(scan.array, scan.affine), tmp_path / f"normal-{person}.nii.gz")
        arguments += ["--support", tmp_path / f"normal-{person}.nii.gz"]
    run = CliRunner().invoke(app, [str(each) for each in arguments], obj=FakeDetector().load)
    assert run.exit_code == 0, run.output
    folder = tmp_path / "out" / "dicom"
    assert str(folder) in run.stdout
    names = {path.name for path in folder.glob("*.dcm")}
    of_findings = {"segmentation.dcm", "parametric_map.dcm", "report.dcm"} if normals else set()
    assert names == of_findings | {"change_segmentation.dcm", "change_report.dcm"}
    changes = json.loads((tmp_path / "out" / "report.json").read_text())["change"]["changes"]
    report = pydicom.dcmread(folder / "change_report.dcm")
    groups = hd.sr.ComprehensiveSR.from_dataset(report).content
    lesions = groups.get_volumetric_roi_measurement_groups()
    coded = [each.get_qualitative_evaluations()[0].value.meaning for each in lesions]
    assert coded == ["New finding", "No significant changes in the finding"][: 1 + normals // 2]
    volumes = [float(each.get_measurements(name=VOLUME)[0].value) for each in lesions]
    assert volumes == pytest.approx([each["volume_ml"] for each in changes], rel=1e-4)
    prior = {str(pydicom.dcmread(path).SOPInstanceUID) for path in (tmp_path / "prior").iterdir()}
    assert all(uid in str(report) for uid in prior)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.skipif(
    not available(), reason="Debian's orthanc and orthanc-dicomweb are not installed"
)
def test_an_archive_takes_all_objects_and_gives_them_back(series: Path, tmp_path: Path) -> None:
    orthanc = Orthanc(tmp_path / "orthanc")
    try:
        run = detect(series, "--stow", orthanc.dicomweb)
        assert run.exit_code == 0, run.output
        instances = requests.get(f"{orthanc.url}/instances", timeout=120).json()
        datasets, colourful = {}, 0
        for identifier in instances:
            answer = requests.get(f"{orthanc.url}/instances/{identifier}/file", timeout=120)
            (tmp_path / "back.dcm").write_bytes(answer.content)
            back = pydicom.dcmread(tmp_path / "back.dcm")
            datasets[str(back.SOPInstanceUID)] = str(back.SOPClassUID)
            if back.SOPClassUID == SecondaryCaptureImageStorage:
                # What a viewer shows that knows nothing but pictures.
                preview = f"{orthanc.url}/instances/{identifier}/preview"
                png = requests.get(preview, timeout=30).content
                pixels = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
                np.testing.assert_array_equal(pixels, back.pixel_array)
                colourful += int(np.ptp(pixels.astype(int), axis=-1).max() > 60)
        sent = [pydicom.dcmread(path) for path in (series / "out" / "dicom").rglob("*.dcm")]
        assert datasets == {str(each.SOPInstanceUID): str(each.SOPClassUID) for each in sent}
        assert len(datasets) == 3 + 12
        assert colourful >= 3  # the slices of the lesion
    finally:
        orthanc.stop()
