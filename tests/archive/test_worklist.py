"""Worklists and the table of rows."""

from pathlib import Path

import pytest

from d24fad_core.archive.rows import RowFolder, read_rows
from d24fad_core.archive.scan import ScanOptions
from d24fad_core.archive.study_row import StudyRow
from d24fad_core.archive.worklist import read_worklist
from d24fad_core.errors import ConfigurationError, InputError


def worklist(folder: Path, text: str) -> Path:
    path = folder / "worklist.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_entries_count_from_the_folder_of_the_worklist(tmp_path: Path) -> None:
    path = worklist(tmp_path, "# heads\na.nii.gz\n\n  /archive/b dicom \n")
    first, second = read_worklist(path)
    assert (first.entry, first.path) == ("a.nii.gz", tmp_path / "a.nii.gz")
    assert (second.entry, second.path) == ("/archive/b dicom", Path("/archive/b dicom"))
    assert first.identifier != second.identifier
    assert len(first.identifier) == 16


def test_the_mark_that_windows_editors_put_first_is_no_part_of_a_path(tmp_path: Path) -> None:
    path = tmp_path / "worklist.txt"
    path.write_text("a.nii.gz\nb.nii.gz\n", encoding="utf-8-sig")
    assert [study.entry for study in read_worklist(path)] == ["a.nii.gz", "b.nii.gz"]


def test_an_identifier_does_not_depend_on_the_other_entries(tmp_path: Path) -> None:
    before = read_worklist(worklist(tmp_path, "a\nb\n"))
    after = read_worklist(worklist(tmp_path, "c\nb\n"))
    assert before[1].identifier == after[1].identifier


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "names no study"), ("# a\n", "names no study"), ("a\nb\na\n", "names a twice")],
)
def test_a_worklist_that_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_worklist(worklist(tmp_path, text))


def test_a_missing_worklist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt: cannot be read as a worklist"):
        read_worklist(tmp_path / "nowhere.txt")


def test_rows_come_back_as_they_went(tmp_path: Path) -> None:
    rows = [
        StudyRow("1", "a", case_score=2.5, peak_scores=[4.0], centroids_ras_mm=[[1.0, 2.0, 3.0]]),
        StudyRow("2", "b", "b: gone; look for it.", attempts=3),
    ]
    RowFolder(tmp_path).append(rows)
    assert read_rows(tmp_path) == rows
    assert set(RowFolder(tmp_path).finished()) == {"1"}


def test_the_last_row_of_a_study_counts(tmp_path: Path) -> None:
    folder = RowFolder(tmp_path)
    folder.append([StudyRow("1", "a", "failed")])
    folder.append([StudyRow("1", "a", case_score=1.0)])
    assert set(folder.finished()) == {"1"}
    assert [row.error for row in read_rows(tmp_path)] == [""]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "00000001.parquet").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"00000001\.parquet: is no table of a scan"):
        RowFolder(tmp_path).finished()


@pytest.mark.parametrize("name", ["workers", "threads", "attempts"])
def test_nothing_can_be_done_with_none(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"0 {name}"):
        ScanOptions(**{name: 0})
