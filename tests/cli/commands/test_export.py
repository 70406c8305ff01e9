"""`d24fad export`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from d24fad_core.cli.application import app

pytest.importorskip("onnx")


def test_a_checkpoint_becomes_a_file(tmp_path: Path, untrained: Path) -> None:
    out = tmp_path / "model.onnx"
    ended = CliRunner().invoke(app, ["export", str(out), "--checkpoint", str(untrained)])
    assert ended.exit_code == 0, ended.output
    assert "images of 64 x 64" in ended.output
    assert out.stat().st_size > 1_000_000


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["export", str(tmp_path / "model.pt")])
    assert ended.exit_code == 2
    assert "ends in .onnx" in ended.output
