"""What was kept comes back as it was, or not at all."""

from pathlib import Path

import pytest

from d24fad_core.cache.json_file import load_values, save_values
from tests.byte_changes import change_bytes

VALUES = {"spread": 0.1 + 0.2, "scores": [1.25, -3e-9], "doubt": "Größe", "none": None}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_values(VALUES, tmp_path / "kept.json")
    return tmp_path / "kept.json"


def test_values_come_back(path: Path) -> None:
    assert load_values(path) == VALUES


def test_a_changed_byte_is_noticed(path: Path) -> None:
    noticed = 0
    for _ in change_bytes(path):
        try:
            assert load_values(path) == VALUES
        except ValueError:
            noticed += 1
    assert noticed > 190


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "{}", '{"values": 3, "checksum": 4}'])
def test_what_is_no_such_file_is_damaged(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(ValueError):
        load_values(path)


def test_what_is_absent_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_values(tmp_path / "absent.json")
