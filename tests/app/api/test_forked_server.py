"""Servers as forks: what they take over from the test that starts them."""

import tempfile
from pathlib import Path

import pytest

from tests.app.api.forked_server import use_environment


def test_temporary_files_lie_where_the_variables_of_a_server_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "of the process that it is a fork of")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path.parent))
    use_environment({"TMPDIR": str(tmp_path)})
    assert tempfile.gettempdir() == str(tmp_path)
