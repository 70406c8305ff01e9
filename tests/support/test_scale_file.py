"""A kept scale comes back bit for bit, or is measured again: scores are never in another unit."""

from dataclasses import replace
from pathlib import Path

from d24fad_core.comparison.score_scale import ScoreScale
from d24fad_core.support.scale_file import load_scale, save_scale
from d24fad_core.volumes.volume import Plane
from tests.byte_changes import change_bytes

SCALE = ScoreScale(frozenset(Plane), 0.1 + 0.2, 1.7, 4.03, (2.5, 3.25), (8.0, 9.5), 2.1)


def test_a_scale_comes_back_with_the_planes_that_it_is_for(tmp_path: Path) -> None:
    save_scale(SCALE, tmp_path / "scale.json")
    assert load_scale(tmp_path / "scale.json") == SCALE
    plain = replace(SCALE, lowest_outline=None)
    save_scale(plain, tmp_path / "plain.json")
    assert load_scale(tmp_path / "plain.json") == plain
    axial = frozenset({Plane.AXIAL})
    assert load_scale(tmp_path / "scale.json", axial) == replace(SCALE, planes=axial)


def test_a_changed_byte_is_never_another_scale(tmp_path: Path) -> None:
    path = tmp_path / "scale.json"
    save_scale(SCALE, path)
    for _ in change_bytes(path):
        assert load_scale(path) in (None, SCALE)


def test_a_scale_without_a_checksum_is_measured_again(tmp_path: Path) -> None:
    """As former versions kept it."""
    path = tmp_path / "scale.json"
    path.write_text('{"centre": 0, "spread": 1, "threshold": 4, "case_scores": [1, 2]}')
    assert load_scale(path) is None
