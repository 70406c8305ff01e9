import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from matplotlib.axes import Axes

from d24fad_core.export import write_result
from tests.export.analysed_study import analysed, reduced_study


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_result_is_seven_files(
    tmp_path: Path,
) -> None:
    files = write_result(*analysed(), tmp_path / "new" / "folder")
    names = {path.name for path in files.paths()}
    assert names == {
        "heatmap.nii.gz",
        "mask.nii.gz",
        "findings.nii.gz",
        "findings.csv",
        "report.json",
        "overlay.png",
        "report.html",
    }
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == names
    assert files.heatmap == tmp_path / "new" / "folder" / "heatmap.nii.gz"


def test_without_a_page_the_one_of_an_earlier_result_goes(tmp_path: Path) -> None:
    write_result(*analysed(name="first"), tmp_path)
    files = write_result(*analysed(name="second"), tmp_path, page=False)
    assert files.page is None
    assert not (tmp_path / "report.html").exists()


def test_a_result_replaces_the_one_before(
    tmp_path: Path,
) -> None:
    write_result(*analysed(name="first"), tmp_path)
    files = write_result(*analysed(name="second"), tmp_path)
    assert json.loads(files.report.read_text())["provenance"]["query_name"] == "second"


def test_when_one_part_cannot_be_written_the_earlier_result_stays_whole(
    tmp_path: Path,
) -> None:
    write_result(*analysed(name="first"), tmp_path)
    before = contents(tmp_path)
    query, result = analysed(name="second")
    with pytest.raises(ValueError, match="case_score"):
        write_result(query, replace(result, case_score=float("nan")), tmp_path)
    assert contents(tmp_path) == before


def test_when_a_name_is_taken_by_a_folder_nothing_is_left_behind(
    tmp_path: Path,
) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OSError, match=r"report\.json"):
        write_result(*analysed(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_the_files_of_a_reduced_scan_are_in_the_voxels_of_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions: list[str] = []
    monkeypatch.setattr(Axes, "annotate", lambda _, text, *__, **___: captions.append(text))
    query, result = reduced_study((4, 3, 5), (1, 2, 0))
    files = write_result(query, result, tmp_path)

    for path in (files.heatmap, files.mask, files.ranks):
        image = nib.load(path)
        assert image.shape == (63, 52, 50)
        np.testing.assert_allclose(image.affine, query.reduction.affine)
    # The peak is in the block of slices 15 to 19, 0.7 mm apart.
    slices = [words for words in captions if words.startswith("axial slice")]
    assert slices[0].startswith("axial slice 17  ·  11.9 mm superior")
    assert json.loads(files.report.read_text())["findings"][0]["peak_voxel"][2] == 17
