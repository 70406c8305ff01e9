"""The image protocol on pictures of discs, with a real teacher and an untrained student."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from d24fad_core.comparison.scoring import MapKind, default_image_scoring
from d24fad_core.errors import InputError, SupportError
from d24fad_core.evaluation.image_protocol import ImageEvaluation, evaluate_images
from d24fad_core.evaluation.methods import DEFAULT, NEAREST_NEIGHBOUR, nearest_neighbour_images
from d24fad_core.images.image_folder import find_task
from d24fad_core.networks.d24fad import D24FAD
from tests.evaluation.networks import untrained_network
from tests.evaluation.small_tasks import SIDE, write_task

SCORING = default_image_scoring()
METHODS = {DEFAULT: SCORING, NEAREST_NEIGHBOUR: nearest_neighbour_images(SCORING)}


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_task(tmp_path_factory.mktemp("tasks"))


def measure(
    model: D24FAD, root: Path, shots: int = 3, draws: int = 2, seed: int = 0
) -> dict[str, ImageEvaluation]:
    task = find_task(root, "discs")
    return evaluate_images(
        model, METHODS, task, shots=shots, draws=draws, seed=seed, image_size=SIDE
    )


@pytest.fixture(scope="module")
def measured(model: D24FAD, root: Path) -> dict[str, ImageEvaluation]:
    return measure(model, root)


def test_figures_follow_from_the_scores(measured: dict[str, ImageEvaluation]) -> None:
    assert list(measured) == [DEFAULT, NEAREST_NEIGHBOUR]
    for result in measured.values():
        assert len(result.scores) == 8
        labels = [name.startswith("ungood/") for name in result.scores]
        assert sum(labels) == 4
        for draw in range(2):
            scores = [values[draw] for values in result.scores.values()]
            assert result.auroc[draw] == pytest.approx(roc_auc_score(labels, scores))
            assert result.average_precision[draw] == pytest.approx(
                average_precision_score(labels, scores)
            )
        assert 0 <= result.interval[0] <= result.interval[1] <= 1


def test_bright_squares_are_found_without_training(measured: dict[str, ImageEvaluation]) -> None:
    assert min(measured[NEAREST_NEIGHBOUR].auroc) > 0.9


def test_all_methods_see_the_same_draws(measured: dict[str, ImageEvaluation]) -> None:
    assert measured[DEFAULT].supports == measured[NEAREST_NEIGHBOUR].supports
    assert measured[DEFAULT].scores != measured[NEAREST_NEIGHBOUR].scores


def test_a_draw_depends_on_seed_and_number_alone(
    model: D24FAD, root: Path, measured: dict[str, ImageEvaluation], tmp_path: Path
) -> None:
    supports = measured[DEFAULT].supports
    assert all(len(set(draw)) == 3 for draw in supports) and len(set(supports)) == 2
    assert measure(model, root, draws=1)[DEFAULT].supports == supports[:1]
    assert measure(model, root, seed=1)[DEFAULT].supports != supports

    fewer = Path(shutil.copytree(root, tmp_path / "fewer"))
    (fewer / "discs" / "test" / "good" / "00.png").unlink()
    assert measure(model, fewer)[DEFAULT].supports == supports


def test_a_score_does_not_depend_on_the_other_test_images(
    model: D24FAD, root: Path, measured: dict[str, ImageEvaluation], tmp_path: Path
) -> None:
    """Bit for bit, though order, number and kind of the other images change."""
    alone = Path(shutil.copytree(root, tmp_path / "alone"))
    test = alone / "discs" / "test"
    for name in ("00.png", "02.png", "03.png"):
        (test / "good" / name).unlink()
        (test / "ungood" / name).unlink()
    (test / "good" / "01.png").rename(test / "good" / "zz.png")
    shutil.copy(test / "ungood" / "01.png", test / "good" / "aa.png")

    figures = measure(model, alone)
    for method, before in measured.items():
        after = figures[method].scores
        assert after["ungood/01.png"] == before.scores["ungood/01.png"]
        assert after["good/zz.png"] == before.scores["good/01.png"]
        assert after["good/aa.png"] == before.scores["ungood/01.png"]


def test_nearest_neighbour_owes_nothing_to_the_student(
    root: Path, measured: dict[str, ImageEvaluation]
) -> None:
    figures = measure(untrained_network(seed=1), root)
    assert figures[NEAREST_NEIGHBOUR].scores == measured[NEAREST_NEIGHBOUR].scores
    assert figures[DEFAULT].scores != measured[DEFAULT].scores


def test_nearest_neighbour_is_plain_whatever_the_scoring_is_tuned_to() -> None:
    tuned = replace(
        SCORING,
        base=replace(SCORING.base, subtracted=1.0, search_radius=(1, 1, 1), neighbours=True),
    )
    plain = nearest_neighbour_images(tuned)
    assert plain.in_place is None
    assert plain.keys == ((MapKind.TEACHER_SUPPORT, 1), (MapKind.TEACHER_SUPPORT, 2))
    assert plain.base.subtracted == 0.0
    assert plain.base.search_radius is None and not plain.base.neighbours


def test_more_shots_than_normals_are_refused(model: D24FAD, root: Path) -> None:
    with pytest.raises(SupportError, match=r"'discs' has 8 images in train/good; 9 shots"):
        measure(model, root, shots=9)


def test_a_damaged_test_image_is_named(model: D24FAD, root: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(root, tmp_path / "broken"))
    (broken / "discs" / "test" / "ungood" / "02.png").write_bytes(b"this is no image")
    with pytest.raises(InputError, match=r"ungood/02\.png: not a whole"):
        measure(model, broken)
