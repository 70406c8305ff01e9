import json
from pathlib import Path

import pytest

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.evaluation.image_scores import ImageScores, read_scores, write_scores

NAMES = ("good/0.png", "good/1.png", "ungood/0.png")


def scores(seed: int | None = 3) -> list[ImageScores]:
    shared = {"task": "discs", "shots": 4, "seed": seed, "draw": 1}
    return [
        ImageScores(
            method="paper",
            protocol="corrected",
            names=NAMES,
            labels=(0, 0, 1),
            scores=(0.1, 1 / 3, 2.0),
            **shared,
        ),
        ImageScores(
            method="paper",
            protocol="official",
            names=NAMES[1:],
            labels=(0, 1),
            scores=(0.0, 1.0),
            **shared,
        ),
    ]


@pytest.mark.parametrize("seed", [3, None])
def test_scores_come_back_as_they_were(tmp_path: Path, seed: int | None) -> None:
    path = tmp_path / "discs" / "paper.json"
    write_scores(path, "key", scores(seed))
    assert read_scores(path, "key") == tuple(scores(seed))
    assert json.loads(path.read_text())["notice"] == RESEARCH_USE_ONLY


def test_scores_of_another_key_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "paper.json"
    write_scores(path, "key", scores())
    assert read_scores(path, "other") is None


@pytest.mark.parametrize("content", ["", "[]", '{"key": "key"}', '{"key": "key", "scores": [{}]}'])
def test_scores_that_cannot_be_read_are_as_good_as_absent(tmp_path: Path, content: str) -> None:
    path = tmp_path / "paper.json"
    assert read_scores(path, "key") is None
    path.write_text(content)
    assert read_scores(path, "key") is None


def test_a_score_that_is_no_number_is_never_written(tmp_path: Path) -> None:
    first, second = scores()
    broken = ImageScores(**{**vars(first), "scores": (0.1, float("nan"), 2.0)})
    path = tmp_path / "paper.json"
    with pytest.raises(ValueError, match="JSON"):
        write_scores(path, "key", [broken, second])
    assert not path.exists()
