"""Changes since a prior as DICOM: what comes back says what became of each, and its volumes."""

import shutil
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from d24fad_core.change.result import Change, ChangeKind, ChangeResult, PriorUse
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import ConfigurationError
from d24fad_core.export.dicom.changes import BEFORE, NOW, ChangeObjects, change_objects
from d24fad_core.export.dicom.objects import dicom_objects, write_dicom
from d24fad_core.export.dicom.source import DicomSource, read_headers
from d24fad_core.volumes.volume import Modality
from tests.export.dicom.test_dicom import OBLIQUE, errors, orthogonal, read_back, series, world_of

VOLUMES = {
    ChangeKind.NEW: (0.5, 0.0),
    ChangeKind.GROWN: (1.25, 0.75),
    ChangeKind.SHRUNK: (0.4, 0.9),
    ChangeKind.GONE: (0.0, 0.3),
}
CODES = {
    ChangeKind.NEW: ("129721008", "SCT"),
    ChangeKind.GROWN: ("15454001", "SCT"),
    ChangeKind.SHRUNK: ("19776001", "SCT"),
    ChangeKind.GONE: ("272519000", "SCT"),
    ChangeKind.STABLE: ("129723006", "SCT"),
}
"""As PS3.16 has them: context groups 6002, 6134, 6134, 241 and 6134."""


def changed(result: AnomalyResult, *, nothing: bool = False) -> ChangeResult:
    """A change of each kind; the first finding is stable."""
    ranks = np.zeros(result.heatmap.shape, np.uint16)
    finding = result.findings[0]
    changes = []
    for rank, (kind, (now, before)) in enumerate(VOLUMES.items(), start=1):
        voxel = (2 + 4 * rank, 25, 10)
        ranks[voxel[0] : voxel[0] + 2, 24:26, 10] = rank
        changes.append(_change(rank, kind, now, before, 8.0 - rank, voxel))
    stable = _change(5, ChangeKind.STABLE, finding.volume_ml, 1.4, 0.0, finding.peak_voxel)
    return ChangeResult(
        heatmap=np.where(ranks > 0, np.float32(8.0), np.float32(0.0)),
        ranks=ranks * np.uint16(not nothing),
        prior=np.zeros(result.heatmap.shape, np.float32),
        affine=result.affine,
        threshold=6.5,
        changes=() if nothing else (*changes, stable),
        use=PriorUse("last-year", "e" * 64, 0.95, tuple(map(tuple, np.eye(4).tolist()))),
    )


def _change(
    rank: int,
    kind: ChangeKind,
    now: float,
    before: float,
    score: float,
    voxel: tuple[int, int, int],
) -> Change:
    place = (0.0, 0.0, 0.0)
    return Change(rank, kind, now, before, score, place, place, voxel, (voxel, voxel))


def objects(folder: Path, modality: Modality = Modality.MR) -> tuple[DicomSource, ChangeObjects]:
    """The objects of a change between two series, an oblique study and its prior."""
    source, result = series(folder / "case", orthogonal(OBLIQUE), modality)
    series(folder / "prior", np.diag([1.0, 1.0, 3.0, 1.0]), modality)
    prior = read_headers(folder / "prior")
    return source, change_objects(source, changed(result), result, prior)


def groups(
    report: Dataset, path: Path
) -> dict[str, list[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations]]:
    """The measurement groups as another program reads them, by time point."""
    content = hd.sr.ComprehensiveSR.from_dataset(read_back(report, path)).content
    return {
        NOW: content.get_volumetric_roi_measurement_groups(),
        BEFORE: [
            group
            for group in content.get_image_measurement_groups()
            if group.tracking_identifier != "Study"
        ],
    }


def volume(group: hd.sr.MeasurementsAndQualitativeEvaluations) -> float:
    (measured,) = group.get_measurements(name=codes.SCT.Volume)
    return float(measured.value)


def time_point(group: Dataset) -> str:
    (context,) = (
        item.TextValue
        for item in group[0].ContentSequence
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Time Point"
    )
    return str(context)


def test_what_became_of_each_lesion_comes_back_with_volumes_at_both_times(tmp_path: Path) -> None:
    _, datasets = objects(tmp_path)
    entries = groups(datasets.report, tmp_path / "report.dcm")
    assert len(entries[NOW]) == len(entries[BEFORE]) == 5
    for (kind, code), now, before in zip(CODES.items(), entries[NOW], entries[BEFORE], strict=True):
        (evaluation,) = now.get_qualitative_evaluations()
        assert evaluation.name == codes.DCM.QualitativeDifference
        assert (evaluation.value.value, evaluation.value.scheme_designator) == code
        if kind is not ChangeKind.STABLE:
            assert (volume(now), volume(before)) == pytest.approx(VOLUMES[kind])
        assert now.tracking_uid == before.tracking_uid
        assert (time_point(now), time_point(before)) == (NOW, BEFORE)


def test_segments_lie_where_the_changes_are_stable_findings_too(tmp_path: Path) -> None:
    source, result = series(tmp_path / "case", orthogonal(OBLIQUE))
    change = changed(result)
    datasets = change_objects(source, change, result)
    segmentation = read_back(datasets.segmentation, tmp_path / "segmentation.dcm")
    for each in change.changes:
        peak = result.affine[:3, :3] @ each.peak_voxel + result.affine[:3, 3]
        places = world_of(segmentation, each.rank)
        assert np.linalg.norm(places - peak, axis=1).min() < 0.05
    assert [str(segment.SegmentLabel) for segment in segmentation.SegmentSequence] == [
        f"Change {rank}: {kind.value}" for rank, kind in enumerate(CODES, start=1)
    ]
    entries = groups(datasets.report, tmp_path / "report.dcm")
    assert [group.tracking_uid for group in entries[NOW]] == [
        str(segment.TrackingUID) for segment in segmentation.SegmentSequence
    ]


def test_the_report_refers_to_the_series_of_both_times(tmp_path: Path) -> None:
    source, datasets = objects(tmp_path)
    report = read_back(datasets.report, tmp_path / "report.dcm")
    prior = {str(image.SOPInstanceUID) for image in read_headers(tmp_path / "prior")}
    evidence = {
        str(instance.ReferencedSOPInstanceUID)
        for name in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in report.get(name, [])
        for at in study.ReferencedSeriesSequence
        for instance in at.ReferencedSOPSequence
    }
    assert evidence >= prior | {str(datasets.segmentation.SOPInstanceUID)}
    assert evidence >= {str(image.SOPInstanceUID) for image in source.images}


@pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="Debian's dicom3tools are not installed"
)
@pytest.mark.parametrize("modality", list(Modality))
def test_a_validator_finds_no_error_with_a_prior_from_an_archive(
    tmp_path: Path, modality: Modality
) -> None:
    _, datasets = objects(tmp_path, modality)
    write_dicom(datasets, tmp_path / "dicom")
    files = sorted((tmp_path / "dicom").iterdir())
    assert [path.name for path in files] == ["change_report.dcm", "change_segmentation.dcm"]
    assert {path.name: errors(path) for path in files if errors(path)} == {}


@pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="Debian's dicom3tools are not installed"
)
def test_without_a_change_the_report_says_so_and_is_valid(tmp_path: Path) -> None:
    source, result = series(tmp_path / "case", np.diag([1.0, 1.0, 3.0, 1.0]))
    prior = read_headers(tmp_path / "case")
    datasets = change_objects(source, changed(result, nothing=True), None, prior)
    assert [str(each.SegmentLabel) for each in datasets.segmentation.SegmentSequence] == [
        "No change"
    ]
    content = hd.sr.ComprehensiveSR.from_dataset(
        read_back(datasets.report, tmp_path / "report.dcm")
    ).content
    (study,) = content.get_image_measurement_groups()
    values = {each.name.meaning: each.value for each in study.get_measurements()}
    assert values["Number of changes since the prior"] == 0
    assert values["Likeness of study and prior"] == pytest.approx(0.95)
    write_dicom(datasets, tmp_path / "dicom")
    assert [errors(path) for path in (tmp_path / "dicom").iterdir()] == [[], []]


def test_findings_and_changes_lie_in_one_folder_and_replace_each_other(tmp_path: Path) -> None:
    source, datasets = objects(tmp_path)
    _, result = series(tmp_path / "case", orthogonal(OBLIQUE))
    folder = tmp_path / "dicom"
    write_dicom(dicom_objects(source, result, change=datasets), folder)
    names = {path.name for path in folder.iterdir()}
    assert names >= {"segmentation.dcm", "change_segmentation.dcm", "change_report.dcm"}
    assert len({str(pydicom.dcmread(path).SeriesInstanceUID) for path in folder.iterdir()}) == 5
    write_dicom(datasets, folder)
    assert {path.name for path in folder.iterdir()} == {
        "change_segmentation.dcm",
        "change_report.dcm",
    }
    write_dicom(datasets, folder)
    (folder / "change_segmentation.dcm").unlink()
    with pytest.raises(ConfigurationError, match="holds no DICOM results"):
        write_dicom(datasets, folder)
