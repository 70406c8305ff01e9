"""`d24fad import-official` on files in the layout of the official code."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner, Result

from d24fad_core.cli import app
from d24fad_core.models.checkpoint import load_checkpoint, read_card
from d24fad_core.networks.d24fad import D24FAD, PAPER
from d24fad_core.networks.teacher import build_teacher

Parts = dict[str, dict[str, Tensor]]


def import_official(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["import-official", *(str(value) for value in arguments)])


def official_parts(model: D24FAD) -> Parts:
    """A network's parameters under the official names."""
    weight = {
        f"proj_in{scale + 1}.{name}": value
        for scale, keys in enumerate(model.weighting.keys)
        for name, value in keys.state_dict().items()
    }
    return {"decoder": model.student.state_dict(), "weight": weight}


def assert_refused(run: Result, words: str, out: Path) -> None:
    assert run.exit_code == 2, run.output
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith("error: ") and words in run.stderr
    assert not out.exists()


@pytest.mark.slow
def test_an_official_checkpoint_becomes_one_of_this_library(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = D24FAD(PAPER, build_teacher(PAPER.teacher, pretrained=False)).eval()
    teacher, official, out = (tmp_path / name for name in ("teacher.safetensors", "a.pth", "out"))
    save_file(model.teacher.encoder.state_dict(), teacher)
    parts = official_parts(model)
    torch.save(parts, official)

    run = import_official(official, out, "--teacher-weights", teacher, "--name", "published")
    assert run.exit_code == 0, run.output
    assert run.stderr == f"wrote {out}\n"

    imported, card = load_checkpoint(out, teacher)
    assert (card.name, card.network, card.image_size) == ("published", PAPER, 128)
    assert "ask the authors" in card.licence
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, features = model.encode(images), imported.encode(images)
    for one, other in zip(expected.student, features.student, strict=True):
        assert torch.equal(one, other)
    for one, other in zip(
        model.weighting.parameters(), imported.weighting.parameters(), strict=True
    ):
        assert torch.equal(one, other)

    info_run = CliRunner().invoke(app, ["info", str(out)])
    assert info_run.exit_code == 0 and "published" in info_run.stdout

    # A layout that is nearly right, against the same teacher.
    again = tmp_path / "again"
    name = next(iter(parts["decoder"]))
    fewer = {key: value for key, value in parts["decoder"].items() if key != name}
    torch.save({**parts, "decoder": fewer}, official)
    run = import_official(official, again, "--teacher-weights", teacher)
    assert_refused(run, f"1 parameters differ (first: student.{name})", again)

    torch.save({**parts, "decoder": {**fewer, name: torch.zeros(1)}}, official)
    run = import_official(official, again, "--teacher-weights", teacher)
    assert_refused(run, "does not hold the published architecture", again)


class _Touches:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.path),))


def test_a_file_with_code_in_it_is_refused_and_the_code_not_run(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    torch.save({"decoder": {}, "weight": {}, "more": _Touches(touched)}, tmp_path / "a.pth")
    run = import_official(tmp_path / "a.pth", tmp_path / "out")
    assert_refused(run, "files that need code to be read are refused", tmp_path / "out")
    assert not touched.exists()


ONE = torch.zeros(1)
WRONG_LAYOUTS: dict[str, tuple[object, str]] = {
    "another model": ({"state_dict": {"conv.weight": ONE}}, "no parts 'decoder' and 'weight'"),
    "only the student": ({"decoder": {"conv.weight": ONE}}, "no parts 'decoder' and 'weight'"),
    "a list": ([ONE], "no parts 'decoder' and 'weight'"),
    "parts that are tensors": ({"decoder": ONE, "weight": ONE}, "'decoder' holds something else"),
    "parts of numbers": ({"decoder": {"conv": 1.0}, "weight": {}}, "'decoder' holds something"),
    "other learn-to-weight": (
        {"decoder": {}, "weight": {"attention.weight": ONE}},
        "'attention.weight' is no learn-to-weight parameter",
    ),
}


@pytest.mark.parametrize(("content", "words"), WRONG_LAYOUTS.values(), ids=list(WRONG_LAYOUTS))
def test_another_layout_is_told_in_one_line(tmp_path: Path, content: object, words: str) -> None:
    torch.save(content, tmp_path / "a.pth")
    assert_refused(import_official(tmp_path / "a.pth", tmp_path / "out"), words, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"this is no checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    run = import_official(tmp_path / "a.pth", tmp_path / "out")
    assert_refused(run, "a.pth cannot be read", tmp_path / "out")


def test_a_missing_file_is_told_in_one_line(tmp_path: Path) -> None:
    run = import_official(tmp_path / "a.pth", tmp_path / "out")
    assert_refused(run, "no such file or folder", tmp_path / "out")


def test_a_failed_import_leaves_the_checkpoint_that_is_there(
    tmp_path: Path, untrained: Path
) -> None:
    before = {path.name: path.read_bytes() for path in untrained.iterdir()}
    torch.save([ONE], tmp_path / "a.pth")
    assert import_official(tmp_path / "a.pth", untrained).exit_code == 2
    assert {path.name: path.read_bytes() for path in untrained.iterdir()} == before
    assert read_card(untrained).name == "untrained"
