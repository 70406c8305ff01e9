"""The token of a local server."""

from pathlib import Path

import pytest

from d24fad_core.errors import ConfigurationError
from monailabel_app.local.token import read_token


def test_a_token_is_made_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = read_token(path)
    assert len(token) >= 32
    assert path.stat().st_mode & 0o077 == 0
    assert read_token(path) == token
    assert read_token(tmp_path / "other") != token


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff\xfe" * 20])
def test_what_keeps_nobody_out_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="--token-file"):
        read_token(path)
    assert path.read_bytes() == content
