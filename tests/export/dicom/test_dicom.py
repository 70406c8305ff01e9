"""DICOM results: on the right slices, coded, valid, and refused where they do not fit."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from d24fad_core import __version__
from d24fad_core.detection.rank_map import label_findings
from d24fad_core.detection.result import AnomalyResult
from d24fad_core.errors import InputError
from d24fad_core.export.dicom.findings_report import findings_report, reviewed_report
from d24fad_core.export.dicom.parametric_map import heatmap_parametric_map
from d24fad_core.export.dicom.segmentation import findings_segmentation, reviewed_segmentation
from d24fad_core.export.dicom.source import DicomSource, read_source
from d24fad_core.export.pictures.colour_scale import ColourScale
from d24fad_core.files import hash_bytes
from d24fad_core.io.reading import read_volume
from d24fad_core.places.atlas import ATLAS_NAME, BrainRegion
from d24fad_core.places.place import RegionShare, Side, place_of
from d24fad_core.volumes.volume import Modality
from tests.export.analysed_study import analysed
from tests.io.dicom.dicom_builder import change, write_series

SHAPE = (24, 28, 12)
TWO = (((16, 9, 6), 8.0), ((6, 20, 3), 5.0))
OBLIQUE = np.array(
    [
        [0.96, -0.27, 0.10, -40.0],
        [0.28, 0.94, -0.25, 15.0],
        [-0.03, 0.20, 2.98, -70.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def orthogonal(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest affine with perpendicular axes and the same spacing."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    result = affine.copy()
    result[:3, :3] = left @ right * spacing
    return result


def series(
    folder: Path, affine: NDArray[np.float64], modality: Modality = Modality.MR
) -> tuple[DicomSource, AnomalyResult]:
    """A DICOM series and an analysis of what is read from it."""
    rng = np.random.default_rng(0)
    files = write_series(
        folder, rng.integers(1, 900, SHAPE).astype(np.int16), affine, modality=modality.value
    )
    for path in files:
        change(
            path,
            FrameOfReferenceUID="1.2.3.4.5",
            StudyDate="20260102",
            StudyTime="101112",
            StudyID="1",
            AccessionNumber="",
            ReferringPhysicianName="",
            PatientBirthDate="",
            PatientSex="O",
            SliceThickness="3",
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        )
    volume = read_volume(folder)
    _, result = analysed(SHAPE, volume.affine, modality=modality, lesions=TWO)
    return read_source(folder, volume.shape, volume.affine), result


def read_back(dataset: Dataset, path: Path) -> Dataset:
    """The object as another program sees it."""
    pydicom.dcmwrite(path, dataset, write_like_original=False)
    return pydicom.dcmread(path)


def errors(path: Path) -> list[str]:
    """What dicom3tools' validator finds wrong with a file."""
    verdict = subprocess.run(
        ["dciodvfy", "-new", str(path)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return [line for line in verdict.stderr.splitlines() if line.startswith("Error")]


def world_of(dataset: Dataset, segment: int) -> NDArray[np.float64]:
    """RAS positions of a segment's voxels, from the DICOM attributes alone."""
    orientation = np.array(
        dataset.SharedFunctionalGroupsSequence[0]
        .PlaneOrientationSequence[0]
        .ImageOrientationPatient,
        float,
    )
    row_spacing, column_spacing = (
        float(value)
        for value in dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    )
    positions = []
    pixels = dataset.pixel_array if dataset.NumberOfFrames > 1 else dataset.pixel_array[None]
    for frame, groups in zip(pixels, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        if number != segment:
            continue
        corner = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        for row, column in np.argwhere(frame):
            place = (
                corner
                + orientation[:3] * column_spacing * column
                + orientation[3:] * row_spacing * row
            )
            positions.append(place * [-1, -1, 1])
    return np.array(positions)


@pytest.mark.parametrize(
    "affine",
    [
        np.diag([1.0, 1.0, 3.0, 1.0]),
        np.diag([-1.0, -1.0, 3.0, 1.0]),
        orthogonal(OBLIQUE),
        np.array([[0, 0, 3.0, 5], [1.0, 0, 0, 6], [0, -1.0, 0, 7], [0, 0, 0, 1.0]]),
    ],
    ids=["identity", "flipped", "oblique", "sagittal"],
)
def test_each_finding_lies_where_the_analysis_found_it(
    tmp_path: Path, affine: NDArray[np.float64]
) -> None:
    source, result = series(tmp_path / "series", affine)
    segmentation = read_back(findings_segmentation(source, result), tmp_path / "seg.dcm")
    ranks = label_findings(result.mask, result.findings)
    assert len(result.findings) == 2
    for finding in result.findings:
        voxels = np.argwhere(ranks == finding.rank)
        expected = voxels @ result.affine[:3, :3].T + result.affine[:3, 3]
        world = world_of(segmentation, finding.rank)
        assert world.shape == expected.shape
        key = np.lexsort(np.round(expected, 2).T)
        other = np.lexsort(np.round(world, 2).T)
        np.testing.assert_allclose(world[other], expected[key], atol=1e-2)


def test_the_segmentation_refers_to_the_series_and_says_what_it_is(tmp_path: Path) -> None:
    source, result = series(tmp_path, np.diag([1.0, 1.0, 3.0, 1.0]))
    segmentation = findings_segmentation(source, result)
    assert segmentation.SegmentationType == "BINARY"
    assert segmentation.StudyInstanceUID == source.images[0].StudyInstanceUID
    assert segmentation.FrameOfReferenceUID == source.images[0].FrameOfReferenceUID
    assert segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == source.series_uid
    assert "research use only" in segmentation.SeriesDescription
    first = segmentation.SegmentSequence[0]
    assert first.SegmentLabel == "Finding 1"
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lesion"
    assert first.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "D24FAD"


def test_objects_say_which_device_made_them(tmp_path: Path) -> None:
    source, result = series(tmp_path, np.diag([1.0, 1.0, 3.0, 1.0]))
    segmentation = findings_segmentation(source, result)
    for derived in (segmentation, heatmap_parametric_map(source, result)):
        assert derived.Manufacturer == "D24FAD"
        assert derived.ManufacturerModelName == "D24FAD"
        assert derived.SoftwareVersions == __version__
        assert derived.DeviceSerialNumber == "0"
    report = findings_report(source, result, segmentation)
    assert report.Manufacturer == "D24FAD"
    observer = {
        item.ConceptNameCodeSequence[0].CodeMeaning: item.get("TextValue")
        for item in report.ContentSequence
        if item.RelationshipType == "HAS OBS CONTEXT"
    }
    assert observer["Device Observer Name"] == "D24FAD"
    assert observer["Device Observer Manufacturer"] == "D24FAD"
    assert observer["Device Observer Model Name"] == "D24FAD"


def test_nothing_found_is_a_valid_segmentation_and_report(tmp_path: Path) -> None:
    source, _ = series(tmp_path, np.diag([1.0, 1.0, 3.0, 1.0]))
    _, normal = analysed(SHAPE, read_volume(tmp_path).affine, lesions=())
    assert normal.findings == ()
    segmentation = findings_segmentation(source, normal)
    assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == ["No finding"]
    assert not segmentation.pixel_array.any()
    report = findings_report(source, normal, segmentation)
    assert report.VerificationFlag == "UNVERIFIED"
    reviewed = reviewed_segmentation(source, normal.mask, normal.provenance)
    assert reviewed.SegmentSequence[0].SegmentLabel == "Reviewed, no finding"


def slope_of(heatmap: Dataset) -> float:
    """By what stored values become scores; nothing is added."""
    (shared,) = heatmap.SharedFunctionalGroupsSequence
    (mapping,) = shared.RealWorldValueMappingSequence
    assert mapping.RealWorldValueIntercept == 0.0
    return float(mapping.RealWorldValueSlope)


def test_the_parametric_map_holds_the_scores(tmp_path: Path) -> None:
    source, result = series(tmp_path, orthogonal(OBLIQUE))
    heatmap = heatmap_parametric_map(source, result)
    assert heatmap.ContentQualification == "RESEARCH"
    slope = slope_of(heatmap)
    assert slope == ColourScale.above(result.calibration.threshold).maximum
    frames = np.frombuffer(heatmap.FloatPixelData, "<f4").reshape(
        heatmap.NumberOfFrames, heatmap.Rows, heatmap.Columns
    )
    places = [
        np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        for groups in heatmap.PerFrameFunctionalGroupsSequence
    ]
    for frame, place in zip(frames, places, strict=True):
        voxel = np.linalg.inv(result.affine) @ [*(place * [-1, -1, 1]), 1.0]
        index = int(np.rint(voxel[2]))
        np.testing.assert_allclose(voxel[:3], [0, 0, index], atol=1e-2)
        z = frame * slope
        np.testing.assert_allclose(z, result.heatmap[:, :, index].T, rtol=1e-6, atol=1e-6)


def test_the_report_measures_each_finding(tmp_path: Path) -> None:
    source, result = series(tmp_path / "series", np.diag([1.0, 1.0, 3.0, 1.0]), Modality.CT)
    segmentation = findings_segmentation(source, result)
    report = read_back(findings_report(source, result, segmentation), tmp_path / "sr.dcm")
    content = hd.sr.ComprehensiveSR.from_dataset(report).content
    groups = content.get_volumetric_roi_measurement_groups()
    assert len(groups) == len(result.findings)
    for group, finding in zip(groups, result.findings, strict=True):
        values = {m.name.meaning: m.value for m in group.get_measurements()}
        assert values["Volume"] == pytest.approx(finding.volume_ml, rel=1e-4)
        assert values["Peak anomaly score"] == pytest.approx(finding.peak_score, rel=1e-4)
        segment = segmentation.SegmentSequence[finding.rank - 1]
        assert group.tracking_uid == segment.TrackingUID
    (case,) = content.get_image_measurement_groups()
    values = {m.name.meaning: m.value for m in case.get_measurements()}
    assert values["Number of findings"] == 2
    assert values["Case anomaly score"] == pytest.approx(result.case_score, rel=1e-4)


def test_the_report_names_the_nearest_normal_by_its_content_and_no_person(tmp_path: Path) -> None:
    source, result = series(tmp_path / "series", np.diag([1.0, 1.0, 3.0, 1.0]))
    first, *others = result.findings
    near = replace(first, normal_distances=(0.3, 0.2, 0.5, 0.4), nearest_normal="normal-1")
    hashes = [hash_bytes(bytes([number])) for number in range(4)]
    uses = tuple(
        replace(use, content_hash=each)
        for use, each in zip(result.provenance.supports, hashes, strict=True)
    )
    provenance = replace(result.provenance, supports=uses)
    known = replace(result, findings=(near, *others), provenance=provenance)
    segmentation = findings_segmentation(source, known)
    report = findings_report(source, known, segmentation)
    assert "normal-1" not in str(report)
    content = hd.sr.ComprehensiveSR.from_dataset(read_back(report, tmp_path / "sr.dcm")).content
    group, other = content.get_volumetric_roi_measurement_groups()
    assert other.get_qualitative_evaluations() == []
    (nearest,) = group.get_qualitative_evaluations()
    assert nearest.value.value == hashes[1][:16]
    values = {m.name.meaning: m.value for m in group.get_measurements()}
    distances = [values[f"Distance to normal {each[:12]}"] for each in hashes]
    assert distances == pytest.approx(near.normal_distances)
    if shutil.which("dciodvfy"):
        assert errors(tmp_path / "sr.dcm") == []


@pytest.mark.parametrize("certain", [True, False])
def test_the_report_codes_where_a_finding_is(tmp_path: Path, certain: bool) -> None:
    source, result = series(tmp_path / "series", np.diag([1.0, 1.0, 3.0, 1.0]))
    segmentation = findings_segmentation(source, result)
    for region in BrainRegion:
        share = RegionShare(region.value, Side.LEFT if region.has_side else None, 0.9)
        place = place_of((share,), certain=certain, atlas=ATLAS_NAME)
        first, *others = result.findings
        named = replace(result, findings=(replace(first, place=place), *others))
        report = read_back(findings_report(source, named, segmentation), tmp_path / "sr.dcm")
        content = hd.sr.ComprehensiveSR.from_dataset(report).content
        group, other = content.get_volumetric_roi_measurement_groups()
        assert other.finding_sites == []
        if not certain:
            assert group.finding_sites == []
            continue
        (site,) = group.finding_sites
        assert site.value.meaning.lower() == region.value
        side = None if site.laterality is None else site.laterality.meaning
        assert side == ("Left" if region.has_side else None)


def test_regions_of_other_maps_are_not_coded(tmp_path: Path) -> None:
    source, result = series(tmp_path / "series", np.diag([1.0, 1.0, 3.0, 1.0]))
    place = place_of((RegionShare("liver", None, 1.0),), certain=True, atlas="organs")
    first, *others = result.findings
    named = replace(result, findings=(replace(first, place=place), *others))
    segmentation = findings_segmentation(source, named)
    report = read_back(findings_report(source, named, segmentation), tmp_path / "sr.dcm")
    content = hd.sr.ComprehensiveSR.from_dataset(report).content
    assert all(not g.finding_sites for g in content.get_volumetric_roi_measurement_groups())


def test_another_series_is_refused(tmp_path: Path) -> None:
    _, result = series(tmp_path / "a", np.diag([1.0, 1.0, 3.0, 1.0]))
    with pytest.raises(InputError, match="shape"):
        read_source(tmp_path / "a", (24, 28, 11), result.affine)
    moved = result.affine.copy()
    moved[2, 3] += 3.0
    with pytest.raises(InputError, match=r"3\.00 mm from where the result has it"):
        read_source(tmp_path / "a", SHAPE, moved)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no CT or MR image"):
        read_source(tmp_path / "empty", SHAPE, result.affine)


def test_what_a_scanner_leaves_out_is_no_obstacle(tmp_path: Path) -> None:
    source, result = series(tmp_path, np.diag([1.0, 1.0, 3.0, 1.0]))
    for path in tmp_path.iterdir():
        change(path, SliceThickness=None, PatientBirthDate=None, StudyID=None)
    source = read_source(tmp_path, SHAPE, result.affine)
    segmentation = findings_segmentation(source, result)
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    assert float(shared.PixelMeasuresSequence[0].SliceThickness) == 3.0
    findings_report(source, result, segmentation)
    change(next(tmp_path.iterdir()), FrameOfReferenceUID="1.2.9")
    with pytest.raises(InputError, match="FrameOfReferenceUID"):
        read_source(tmp_path, SHAPE, result.affine)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("modality", list(Modality))
@pytest.mark.parametrize("lesions", [TWO, ()], ids=["findings", "normal"])
def test_a_validator_finds_no_error(
    tmp_path: Path, modality: Modality, lesions: tuple[tuple[tuple[int, int, int], float], ...]
) -> None:
    source, _ = series(tmp_path / "series", np.diag([1.0, 1.0, 3.0, 1.0]), modality)
    affine = read_volume(tmp_path / "series").affine
    _, result = analysed(SHAPE, affine, modality=modality, lesions=lesions)
    segmentation = findings_segmentation(source, result)
    objects = {
        "seg": segmentation,
        "pm": heatmap_parametric_map(source, result),
        "sr": findings_report(source, result, segmentation),
    }
    for name, dataset in objects.items():
        path = tmp_path / f"{name}.dcm"
        pydicom.dcmwrite(path, dataset, write_like_original=False)
        assert errors(path) == [], name


LETTERS = [
    ("ISO_IR 100", "Grün^Jürgen"),
    ("ISO_IR 192", "Żółć^Łukasz"),
    ("ISO_IR 144", "Иванов^Пётр"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (["ISO 2022 IR 6", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
]


@pytest.mark.parametrize(("character_set", "name"), LETTERS, ids=[str(c) for c, _ in LETTERS])
def test_names_keep_their_letters_in_every_object(
    tmp_path: Path, character_set: str | list[str], name: str
) -> None:
    series(tmp_path / "series", np.diag([1.0, 1.0, 3.0, 1.0]))
    for path in (tmp_path / "series").iterdir():
        change(path, SpecificCharacterSet=character_set, PatientName=name)
    volume = read_volume(tmp_path / "series")
    _, result = analysed(SHAPE, volume.affine, lesions=TWO)
    source = read_source(tmp_path / "series", volume.shape, volume.affine)
    segmentation = findings_segmentation(source, result)
    final = reviewed_segmentation(source, result.mask, result.provenance)
    objects = {
        "segmentation": segmentation,
        "final": final,
        "map": heatmap_parametric_map(source, result),
        "report": findings_report(source, result, segmentation),
        "reviewed": reviewed_report(source, result, result.mask, final, "Ōta"),
    }
    for kind, dataset in objects.items():
        path = tmp_path / f"{kind}.dcm"
        copy = read_back(dataset, path)
        assert copy.SpecificCharacterSet == "ISO_IR 192", kind
        assert str(copy.PatientName) == name, kind
        assert name.encode("utf-8") in path.read_bytes(), kind
        if shutil.which("dciodvfy"):
            assert errors(path) == []
