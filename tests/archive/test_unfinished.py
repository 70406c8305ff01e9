"""Which studies of a scan still need an analysis."""

import os
from pathlib import Path

import pytest

from d24fad_core.archive.rows import RowFolder
from d24fad_core.archive.scan import unfinished
from d24fad_core.archive.study_row import StudyRow
from d24fad_core.archive.worklist import ListedStudy


@pytest.mark.parametrize("kind", ["file", "series"])
def test_a_study_that_was_replaced_after_its_row_is_analysed_again(
    kind: str, tmp_path: Path
) -> None:
    """Otherwise the table would show scores of voxels that are no longer there."""
    study = tmp_path / "study"
    image = study / "1.dcm" if kind == "series" else study
    image.parent.mkdir(exist_ok=True)
    image.write_bytes(b"first")
    rows = RowFolder(tmp_path / "rows")
    rows.append([StudyRow("1", "study"), StudyRow("2", "gone")])
    studies = [ListedStudy("1", "study", study), ListedStudy("2", "gone", tmp_path / "no")]
    (time_of_file,) = set(rows.finished().values())
    for path in {image, study}:
        os.utime(path, (time_of_file - 10, time_of_file - 10))
    assert unfinished(studies, rows) == []
    os.utime(image, (time_of_file + 10, time_of_file + 10))
    assert [each.entry for each in unfinished(studies, rows)] == ["study"]
