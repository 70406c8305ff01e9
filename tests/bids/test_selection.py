"""Which scans of a dataset are cases, which are normals, and which cannot be compared."""

from pathlib import Path

import pytest

from d24fad_core.bids.cases import find_cases
from d24fad_core.bids.dataset import BidsDataset, Selection
from d24fad_core.bids.normals import find_normals
from d24fad_core.bids.scan_name import ScanName
from d24fad_core.detection.result import WarningCode
from d24fad_core.errors import InputError
from d24fad_core.volumes.volume import Modality
from tests.bids.dataset_of_heads import small_scan, write_dataset, write_scan

CONTROLS = ("01", "02")


@pytest.fixture
def dataset(tmp_path: Path) -> BidsDataset:
    """Two controls and two patients, two sessions each."""
    root = tmp_path / "raw"
    labels = {"01": "control", "02": "control", "11": "patient", "12": "patient"}
    write_dataset(root, labels)
    for number, label in enumerate(labels):
        for session in ("1", "2"):
            write_scan(root, f"sub-{label}_ses-{session}_T1w", small_scan(number))
    return BidsDataset(root)


def entries(dataset: BidsDataset, selection: Selection) -> list[str]:
    return [scan.path.name for scan in dataset.scans(selection)]


def test_names_are_taken_apart_and_put_together() -> None:
    name = ScanName.parse("sub-01_ses-a_acq-high_T1w.nii.gz")
    assert name is not None
    assert (dict(name.entities), name.suffix, name.extension) == (
        {"sub": "01", "ses": "a", "acq": "high"},
        "T1w",
        ".nii.gz",
    )
    assert name.derived("mask", ".nii.gz", "x") == "sub-01_ses-a_acq-high_desc-x_mask.nii.gz"
    for other in ("T1w", "sub01_T1w.nii.gz", "sub-1_sub-2_T1w.nii.gz", "notes with space.json"):
        assert ScanName.parse(other) is None


def test_scans_are_chosen_by_participant_session_and_entity(dataset: BidsDataset) -> None:
    assert len(entries(dataset, Selection())) == 8
    one = Selection(participants=("11",), sessions=("2",))
    assert entries(dataset, one) == ["sub-11_ses-2_T1w.nii.gz"]
    write_scan(dataset.root, "sub-11_ses-2_acq-low_T1w", small_scan(0))
    assert len(entries(dataset, one)) == 2
    low = Selection(entities={"acq": ["low"]})
    assert entries(dataset, low) == ["sub-11_ses-2_acq-low_T1w.nii.gz"]
    without = Selection(participants=("11",), sessions=("2",), entities={"acq": [""]})
    assert entries(dataset, without) == ["sub-11_ses-2_T1w.nii.gz"]


def test_what_is_not_there_or_not_clear_is_refused(dataset: BidsDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no participant 99; it has 01, 02, 11, 12"):
        dataset.scans(Selection(participants=("99",)))
    with pytest.raises(InputError, match="there are T1w"):
        dataset.scans(Selection(suffix="FLAIR"))
    write_scan(dataset.root, "sub-11_ses-1_FLAIR", small_scan(0))
    with pytest.raises(InputError, match="FLAIR, T1w; say by --suffix"):
        dataset.scans(Selection())
    with pytest.raises(InputError, match="no BIDS dataset"):
        BidsDataset(tmp_path)


def test_the_nearer_and_the_more_special_sidecar_wins(dataset: BidsDataset) -> None:
    write_scan(dataset.root, "sub-11_ses-1_T1w", small_scan(0), Manufacturer="Other")
    (dataset.root / "sub-11" / "sub-11_T1w.json").write_text('{"Manufacturer": "X", "EchoTime": 1}')
    (scan,) = dataset.scans(Selection(participants=("11",), sessions=("1",)))
    assert scan.sidecar["Manufacturer"] == "Other"
    assert scan.sidecar["EchoTime"] == 1
    assert scan.sidecar["MRAcquisitionType"] == "3D"


@pytest.mark.parametrize("choices", [["01", "sub-02"], ["group=control"]])
def test_normals_are_participants_or_a_group_and_no_cases(
    dataset: BidsDataset, choices: list[str]
) -> None:
    normals = find_normals(dataset, choices, Selection())
    assert [path.name for path in normals.paths] == [
        f"sub-{label}_ses-1_T1w.nii.gz" for label in CONTROLS
    ]
    cases = find_cases(dataset, Selection(), normals)
    assert [case.path.name[:6] for case in cases.studies] == [
        "sub-11",
        "sub-11",
        "sub-12",
        "sub-12",
    ]
    assert cases.modality is Modality.MR
    assert cases.refusals == ()
    assert all(case.warnings == () for case in cases.studies)


def test_normals_are_another_dataset_or_a_folder(dataset: BidsDataset, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_dataset(other, {"01": "control"})
    write_scan(other, "sub-01_T1w", small_scan(7))
    write_scan(other, "sub-03_T1w", small_scan(8))
    normals = find_normals(dataset, [str(other)], Selection(participants=("11",)))
    assert [path.name for path in normals.paths] == ["sub-01_T1w.nii.gz", "sub-03_T1w.nii.gz"]
    assert normals.subjects == frozenset()
    plain = find_normals(dataset, [str(other / "sub-01" / "anat")], Selection())
    assert (len(plain.paths), plain.scans) == (1, ())


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("group=healthy", "there are control, patient"),
        ("sex=F", "has participant_id, group"),
        ("99", "neither a participant"),
    ],
)
def test_normals_that_are_not_there_are_named(
    dataset: BidsDataset, choice: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        find_normals(dataset, [choice], Selection())


def test_a_mix_is_refused_by_name(dataset: BidsDataset) -> None:
    write_scan(dataset.root, "sub-12_ses-1_T1w", small_scan(0), MRAcquisitionType="2D")
    write_scan(dataset.root, "sub-12_ses-2_T1w", small_scan(0), Modality="CT")
    normals = find_normals(dataset, ["group=control"], Selection())
    cases = find_cases(dataset, Selection(), normals)
    assert len(cases.studies) == 2
    slices, tomography = cases.refusals
    assert "sub-12_ses-1_T1w" in slices and "2D" in slices and "sub-01_ses-1_T1w" in slices
    assert "sub-12_ses-2_T1w" in tomography and "CT" in tomography

    write_scan(dataset.root, "sub-02_ses-1_T1w", small_scan(0), MRAcquisitionType="2D")
    fresh = BidsDataset(dataset.root)
    with pytest.raises(InputError, match=r"normals are mixed: sub-02/.* 2D where sub-01/.* 3D"):
        find_cases(fresh, Selection(), find_normals(fresh, ["01", "02"], Selection()))


def test_another_modality_than_ct_and_mr_is_refused(dataset: BidsDataset) -> None:
    write_scan(dataset.root, "sub-12_ses-1_T1w", small_scan(0), Modality="PT")
    cases = find_cases(dataset, Selection(), find_normals(dataset, ["01", "02"], Selection()))
    (reason,) = cases.refusals
    assert "PT" in reason and "sub-12_ses-1_T1w" in reason


def test_another_scanner_is_warned_of(dataset: BidsDataset) -> None:
    write_scan(dataset.root, "sub-11_ses-1_T1w", small_scan(0), ManufacturersModelName="Old")
    cases = find_cases(dataset, Selection(), find_normals(dataset, ["01", "02"], Selection()))
    doubts = {case.path.name: case.warnings for case in cases.studies if case.warnings}
    (warning,) = doubts.pop("sub-11_ses-1_T1w.nii.gz")
    assert doubts == {}
    assert warning.code is WarningCode.OTHER_SCANNER
    assert "Maker Old 3" in warning.sentence and "Maker Model 3" in warning.sentence


def test_a_damaged_sidecar_is_named(dataset: BidsDataset) -> None:
    (dataset.root / "T1w.json").write_text("{")
    with pytest.raises(InputError, match=r"T1w\.json: cannot be read as JSON"):
        dataset.scans(Selection())
