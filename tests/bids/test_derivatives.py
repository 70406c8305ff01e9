"""Names and rows of a derivative dataset."""

import csv
import json
from pathlib import Path

import pytest

from d24fad_core.archive.worklist import ListedStudy
from d24fad_core.bids.derivatives import DerivativeRows, report_path
from d24fad_core.bids.group import write_group
from d24fad_core.errors import InputError

T1W = "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"
FLAIR = "sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz"


def listed(entry: str) -> ListedStudy:
    return ListedStudy(entry, entry, Path(entry))


@pytest.fixture
def derivative(tmp_path: Path) -> Path:
    """A dataset with the report of one T1w."""
    path = report_path(tmp_path, T1W)
    path.parent.mkdir(parents=True)
    calibration = {"p_value": 0.25, "normal_patients": 3, "threshold": 4.0}
    report = {
        "case_score": 5.5,
        "calibration": calibration,
        "findings": [{"volume_ml": 1.5, "peak_score": 9.0, "place": None}],
        "warnings": [],
        "provenance": {"query_name": "sub-01_ses-1_T1w"},
    }
    path.write_text(json.dumps(report))
    return tmp_path


def test_a_scan_with_a_report_is_finished(derivative: Path) -> None:
    other = T1W.replace("ses-1", "ses-2")
    rows = DerivativeRows(derivative, [listed(T1W), listed(other)])
    report = report_path(derivative, T1W)
    assert rows.finished() == {T1W: report.stat().st_mtime}


def test_another_kind_of_scan_is_not_taken_for_done(derivative: Path) -> None:
    assert report_path(derivative, FLAIR) == report_path(derivative, T1W)
    with pytest.raises(InputError, match=r"of another scan than .*FLAIR"):
        DerivativeRows(derivative, [listed(FLAIR)]).finished()


def test_the_table_has_a_row_for_the_scan_that_was_analysed_alone(derivative: Path) -> None:
    table = write_group(derivative, [FLAIR, T1W])
    with table.open(newline="") as stream:
        (row,) = csv.DictReader(stream, delimiter="\t")
    assert (row["participant_id"], row["session_id"], row["filename"]) == ("sub-01", "ses-1", T1W)
    assert (row["case_score"], row["peak_z"], row["peak_place"]) == ("5.5", "9.0", "n/a")
