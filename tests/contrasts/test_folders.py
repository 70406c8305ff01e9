"""People in folders, plain and as in BIDS."""

from pathlib import Path

import pytest

from d24fad_core.contrasts.folders import case_name, find_people, named_paths
from d24fad_core.errors import ConfigurationError, InputError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_for_each_person(tmp_path: Path) -> None:
    touch(
        tmp_path / "person02" / "FLAIR.nii.gz",
        tmp_path / "person01" / "flair.nii.gz",
        tmp_path / "person01" / "t1.nii",
        tmp_path / "notes" / "other.nii.gz",
        tmp_path / "readme.txt",
    )
    people = find_people([tmp_path], ["flair", "t1"])
    assert [person.name for person in people] == ["person01", "person02"]
    assert people[0].scans == {
        "flair": tmp_path / "person01" / "flair.nii.gz",
        "t1": tmp_path / "person01" / "t1.nii",
    }
    assert find_people([tmp_path / "person02"], ["flair"])[0].name == "person02"


def test_bids(tmp_path: Path) -> None:
    touch(
        tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz",
        tmp_path / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz",
        tmp_path / "sub-02" / "ses-1" / "anat" / "sub-02_ses-1_T1w.nii.gz",
        tmp_path / "derivatives" / "x.nii.gz",
    )
    people = find_people([tmp_path], ["t1w", "flair"])
    assert [sorted(person.scans) for person in people] == [["flair", "t1w"], ["t1w"]]
    touch(tmp_path / "sub-02" / "ses-2" / "anat" / "sub-02_ses-2_T1w.nii.gz")
    with pytest.raises(InputError, match="both t1w"):
        find_people([tmp_path], ["t1w"])


def test_a_folder_without_people_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="nobody with a scan named flair"):
        find_people([tmp_path], ["flair"])
    with pytest.raises(InputError, match="no folder"):
        find_people([tmp_path / "a.nii.gz"], ["flair"])


def test_names_and_files_of_the_case() -> None:
    paths = named_paths(["FLAIR=case/flair.nii.gz", "t1=case/x=y.nii.gz"])
    assert paths == {"flair": Path("case/flair.nii.gz"), "t1": Path("case/x=y.nii.gz")}
    assert case_name(paths) == "case"
    assert case_name(named_paths(["t1=here/patient_T1.nii.gz"])) == "patient_T1"


@pytest.mark.parametrize("text", ["flair.nii.gz", "=a.nii.gz", "flair=", "a/b=c.nii.gz"])
def test_what_is_no_name_and_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--image"):
        named_paths([text])


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="before"):
        named_paths(["t1=a.nii", "T1=b.nii"])
