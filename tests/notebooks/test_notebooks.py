"""Every notebook runs from top to bottom on its own data, and shows what it is stored with."""

import json
import re
from pathlib import Path

import pytest

from d24fad_core import RESEARCH_USE_ONLY

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
# The kernel imports it, and would fail where only the last line of the tests should say it.
pytest.importorskip("ipyniivue")

from tests.notebooks.execution import NOTEBOOKS, WIDGET, execute, outputs, text  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a notebook runs, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    work = tmp_path / "work"
    work.mkdir()
    return work


def run(name: str, folder: Path) -> dict[str, list[nbformat.NotebookNode]]:
    (path,) = [path for path in NOTEBOOKS if path.stem == name]
    return outputs(execute(path, folder))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_can_be_read_without_running_it(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    content = path.read_text(encoding="utf-8")
    assert len(content) < 500_000
    assert f"**{RESEARCH_USE_ONLY}**" in content
    cells = outputs(notebook)
    printed = [name for name, cell in cells.items() if text(cell)]
    pictures = [
        name for name, cell in cells.items() if any("image/png" in o.get("data", {}) for o in cell)
    ]
    assert len(printed) >= 2
    assert len(pictures) == 1
    assert not any(o.output_type == "error" for cell in cells.values() for o in cell)
    # Nothing of the machine that they were run on.
    output = "".join(
        re.sub(r'"image/png": "[^"]*"', "", json.dumps(cell)) for cell in cells.values()
    )
    assert not re.search(
        r"/(work|tmp|root|home|usr|opt|Users|var)/|site-packages|[A-Z]:\\\\", output
    )


@pytest.mark.slow
def test_detect_finds_the_planted_lesion(folder: Path) -> None:
    cells = run("detect", folder)
    (lines,) = [
        cell.source
        for cell in nbformat.read(NOTEBOOKS[0].parent / "detect.ipynb", as_version=4).cells
        if cell.id == "detect"
    ]
    assert len([line for line in lines.splitlines() if line]) <= 10
    assert text(cells["findings"]).startswith("1. ")
    assert "The highest score lies inside the lesion: True" in text(cells["truth"])
    assert any("image/png" in output.get("data", {}) for output in cells["picture"])
    assert any(WIDGET in output.get("data", {}) for output in cells["view"])
    assert (folder / "result" / "heatmap.nii.gz").is_file()


@pytest.mark.slow
def test_evaluate_hits_lesions_and_marks_little_of_normals(folder: Path) -> None:
    output = text(run("evaluate", folder)["figures"])
    hit = [int(number) for number in re.findall(r"cases hit +(\d+)%", output)]
    marked = [float(number) for number in re.findall(r"marked ([\d.]+)%", output)]
    aurocs = [float(number) for number in re.findall(r"voxel AUROC +([\d.]+)", output)]
    assert len(hit) == len(marked) == len(aurocs) == 2
    assert hit[0] >= 33
    assert marked[0] < 2
    assert aurocs[0] > 0.9


@pytest.mark.slow
def test_support_sets_show_what_is_wrong_with_them(folder: Path) -> None:
    cells = run("support_sets_and_calibration", folder)
    assert "('support-001', 'support-001-again')" in text(cells["twice"])
    warned = text(cells["warned"])
    assert "case_in_support: " in warned
    assert "supports_alike: " in warned
    output = text(cells["abnormal"])
    as_case, among_normals = (float(z) for z in re.findall(r": ([\d.]+) z$", output, re.MULTILINE))
    assert as_case > among_normals
    held_out = text(cells["heldout"]).splitlines()
    assert [line.split(":")[0] for line in held_out] == [
        *(f"normal-{number:03d}" for number in (1, 2, 3)),
        "lesion-002",
    ]
