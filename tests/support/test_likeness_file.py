"""A kept likeness comes back as it was, or is measured again."""

from pathlib import Path

from d24fad_core.support.likeness import MutualLikeness
from d24fad_core.support.likeness_file import load_likeness, save_likeness
from tests.byte_changes import change_bytes

LIKENESS = MutualLikeness(alike=((0, 3), (1, 2)), usual=0.1 + 0.2)


def test_a_likeness_comes_back(tmp_path: Path) -> None:
    save_likeness(LIKENESS, tmp_path / "likeness.json")
    assert load_likeness(tmp_path / "likeness.json") == LIKENESS
    assert load_likeness(tmp_path / "absent.json") is None


def test_a_changed_byte_is_never_another_likeness(tmp_path: Path) -> None:
    path = tmp_path / "likeness.json"
    save_likeness(LIKENESS, path)
    for _ in change_bytes(path):
        assert load_likeness(path) in (None, LIKENESS)
