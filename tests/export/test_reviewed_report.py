"""The report on a final label: what the reviewer left marked, by whom, and valid."""

import shutil
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from d24fad_core.detection.rank_map import label_findings
from d24fad_core.export.dicom.findings_report import reviewed_report
from d24fad_core.export.dicom.segmentation import reviewed_segmentation
from d24fad_core.export.dicom.source import read_source
from d24fad_core.io.reading import read_volume
from tests.export.analysed_study import analysed
from tests.export.dicom.test_dicom import SHAPE, errors, read_back, series
from tests.io.dicom.dicom_builder import change

GRID = np.diag([1.0, 1.0, 3.0, 1.0])


def write(folder: Path, marked: tuple[int, ...], reviewer: str = "AB") -> tuple:
    """Report and segmentation of a review that accepted the findings with these ranks."""
    source, result = series(folder / "series", GRID)
    label = np.isin(label_findings(result.mask, result.findings), marked).astype(np.uint8)
    segmentation = reviewed_segmentation(source, label, result.provenance)
    report = reviewed_report(source, result, label, segmentation, reviewer)
    return read_back(report, folder / "report.dcm"), segmentation, result


@pytest.mark.parametrize("marked", [(2,), (1, 2)])
def test_what_is_marked_is_measured(tmp_path: Path, marked: tuple[int, ...]) -> None:
    report, segmentation, result = write(tmp_path, marked)
    content = hd.sr.ComprehensiveSR.from_dataset(report).content
    accepted = [finding for finding in result.findings if finding.rank in marked]
    (group,) = content.get_volumetric_roi_measurement_groups()
    assert group.tracking_uid == segmentation.SegmentSequence[0].TrackingUID
    values = {m.name.meaning: m.value for m in group.get_measurements()}
    volume = sum(finding.volume_ml for finding in accepted)
    total = sum(finding.volume_ml * finding.mean_score for finding in accepted)
    assert values["Volume"] == pytest.approx(volume, rel=1e-4)
    assert values["Peak anomaly score"] == pytest.approx(accepted[0].peak_score, rel=1e-4)
    assert values["Mean anomaly score"] == pytest.approx(total / volume, rel=1e-4)
    (case,) = content.get_image_measurement_groups()
    values = {m.name.meaning: m.value for m in case.get_measurements()}
    assert values["Number of findings"] == len(marked)
    assert values["Case anomaly score"] == pytest.approx(result.case_score, rel=1e-4)


def test_a_normal_study_has_a_report_without_regions(tmp_path: Path) -> None:
    report, _, _ = write(tmp_path, ())
    content = hd.sr.ComprehensiveSR.from_dataset(report).content
    assert content.get_volumetric_roi_measurement_groups() == []
    (case,) = content.get_image_measurement_groups()
    values = {m.name.meaning: m.value for m in case.get_measurements()}
    assert values["Number of findings"] == 0


def test_what_no_score_marked_counts_too(tmp_path: Path) -> None:
    """A region that the reviewer drew where the heatmap is 0 or below."""
    source, result = series(tmp_path / "series", GRID)
    result = replace(result, heatmap=np.full_like(result.heatmap, -1.0))
    label = np.zeros(result.heatmap.shape, np.uint8)
    label[1:3, 1:3, 1] = 1
    segmentation = reviewed_segmentation(source, label, result.provenance)
    report = reviewed_report(source, result, label, segmentation, "AB")
    content = hd.sr.ComprehensiveSR.from_dataset(read_back(report, tmp_path / "r.dcm")).content
    (group,) = content.get_volumetric_roi_measurement_groups()
    values = {m.name.meaning: m.value for m in group.get_measurements()}
    assert values["Volume"] == pytest.approx(4 * 3.0 / 1000)
    assert values["Peak anomaly score"] == -1.0


@pytest.mark.parametrize(
    ("reviewer", "name"),
    [
        ("Müller, Á.", "Müller, Á.^"),
        ("A^B=C\\D\n", "A B C D^"),
        ("^=", "unknown^"),
        ("x" * 100, "x" * 63 + "^"),
    ],
)
def test_the_reviewer_is_named_whatever_they_call_themselves(
    tmp_path: Path, reviewer: str, name: str
) -> None:
    report, _, _ = write(tmp_path, (1,), reviewer)
    assert report.VerificationFlag == "UNVERIFIED"
    names = [str(item.PersonName) for item in report.ContentSequence if "PersonName" in item]
    assert names == [name]


def test_names_from_the_scanner_and_the_server_may_differ_in_letters(tmp_path: Path) -> None:
    write(tmp_path, (1,))
    for path in (tmp_path / "series").iterdir():
        change(path, SpecificCharacterSet="ISO_IR 100", PatientName="Størk^Åse")
    _, result = analysed(SHAPE, read_volume(tmp_path / "series").affine)
    source = read_source(tmp_path / "series", SHAPE, result.affine)
    label = np.zeros(SHAPE, np.uint8)
    segmentation = reviewed_segmentation(source, label, result.provenance)
    report = reviewed_report(source, result, label, segmentation, "Ōta")
    report = read_back(report, tmp_path / "other.dcm")
    assert str(report.PatientName) == "Størk^Åse"
    assert "Ōta^" in [str(i.PersonName) for i in report.ContentSequence if "PersonName" in i]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("marked", [(1, 2), ()], ids=["findings", "normal"])
def test_a_validator_finds_no_error(tmp_path: Path, marked: tuple[int, ...]) -> None:
    report, _, _ = write(tmp_path, marked, "Müller")
    path = tmp_path / "written.dcm"
    pydicom.dcmwrite(path, report, write_like_original=False)
    assert errors(path) == []
