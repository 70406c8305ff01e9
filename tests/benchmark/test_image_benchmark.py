import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from d24fad_core.benchmark import image_benchmark
from d24fad_core.errors import CancelledError, CheckpointError, ConfigurationError, InputError
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.models.checkpoint import read_card
from tests.benchmark.small_benchmark import TRAINING, plan, run, write_tasks


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a benchmark that nothing disturbed."""
    out = tmp_path_factory.mktemp("finished")
    torch.set_num_threads(1)
    run(plan(data, out))
    return out


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished benchmark, to change."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


Counted = Callable[[], list[tuple[str, tuple[str, ...], int]]]


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Task, methods and draw of everything that is really scored from here on."""
    calls: list[tuple[str, tuple[str, ...], int]] = []
    original = image_benchmark.score_draw

    def counted(model: Any, methods: Any, task: Any, *rest: Any, **more: Any) -> Any:
        calls.append((task.name, tuple(method.name for method in methods), more["draw"]))
        return original(model, methods, task, *rest, **more)

    monkeypatch.setattr(image_benchmark, "score_draw", counted)
    return lambda: calls


def by_cell(scores: list[ImageScores]) -> dict[tuple[object, ...], tuple[float, ...]]:
    result = {
        (one.task, one.method, one.protocol, one.shots, one.seed, one.draw): one.scores
        for one in scores
    }
    assert len(result) == len(scores)
    return result


def test_every_cell_is_scored_once(data: Path, out: Path, scored: Counted) -> None:
    cells = set(by_cell(run(plan(data, out))))
    tasks, shots, draws = ("discs", "plates"), (2, 4), (0, 1)
    expected = {
        (task, method, "corrected", k, seed, draw)
        for task in tasks
        for k in shots
        for draw in draws
        for method, seed in (("default", 0), ("nearest_neighbour", None))
    }
    assert cells == expected
    assert scored() == [], "what is on disk is not scored again"


def test_the_held_out_task_is_not_trained_on(finished: Path) -> None:
    for held_out, other in (("discs", "plates"), ("plates", "discs")):
        card = read_card(finished / "students" / "default" / f"{held_out}_seed0" / "checkpoint")
        assert card.training["tasks"] == [other]
        assert card.training["held_out"] == held_out


def test_whole_results_come_early(data: Path, out: Path) -> None:
    stages = list(image_benchmark.run_image_benchmark(plan(data, out)))
    assert [{one.seed for one in stage} for stage in stages] == [{None}, {None, 0}]


@pytest.mark.slow
def test_a_stopped_benchmark_goes_on_and_ends_with_the_same_scores(
    data: Path, finished: Path, tmp_path: Path
) -> None:
    messages: list[str] = []

    def stop_after(text: str) -> Callable[[str, float], None]:
        def progress(step: str, fraction: float) -> None:
            assert 0.0 <= fraction <= 1.0
            messages.append(step)
            if text in step:
                raise KeyboardInterrupt

        return progress

    benchmark = plan(data, tmp_path)
    for text, error in (
        ("features of plates/test", KeyboardInterrupt),
        ("plates: draw 1", KeyboardInterrupt),
        ("training without plates", CancelledError),
    ):
        with pytest.raises(error):
            list(image_benchmark.run_image_benchmark(benchmark, stop_after(text)))
    assert not list(tmp_path.rglob(".partial-*"))
    messages.clear()
    *_, scores = image_benchmark.run_image_benchmark(benchmark, stop_after("never"))
    assert not any("features" in step for step in messages)
    assert by_cell(scores) == by_cell(run(plan(data, finished)))


@pytest.mark.slow
def test_one_task_alone_scores_as_it_does_among_all(
    data: Path, finished: Path, tmp_path: Path
) -> None:
    alone = by_cell(run(replace(plan(data, tmp_path), held_out=("plates",))))
    every = by_cell(run(plan(data, finished)))
    assert alone == {cell: scores for cell, scores in every.items() if cell[0] == "plates"}


def test_a_new_method_is_scored_beside_the_old_ones(data: Path, out: Path, scored: Counted) -> None:
    run(plan(data, out, ("default", "nearest_neighbour", "default_without_student")))
    assert {methods for _, methods, _ in scored()} == {("default_without_student",)}


def test_more_draws_leave_the_first_ones_alone(data: Path, out: Path, scored: Counted) -> None:
    run(replace(plan(data, out), draws=3))
    assert {draw for _, _, draw in scored()} == {2}


def test_a_method_with_another_configuration_is_scored_again(
    data: Path, out: Path, scored: Counted
) -> None:
    benchmark = plan(data, out)
    default, nearest = benchmark.methods
    changed = replace(nearest, scoring=replace(nearest.scoring, foreground_only=False))
    before = by_cell(run(benchmark))
    after = by_cell(run(replace(benchmark, methods=(default, changed))))
    assert {methods for _, methods, _ in scored()} == {("nearest_neighbour",)}
    same = {cell for cell in before if before[cell] == after[cell]}
    assert same == {cell for cell in before if cell[1] == "default"}


def test_a_student_is_not_mixed_up_with_one_of_another_configuration(data: Path, out: Path) -> None:
    other = replace(TRAINING, tsd_weight=1.0)
    with pytest.raises(CheckpointError, match="other settings or tasks"):
        run(replace(plan(data, out), trainings={"default": other}))


def test_a_student_of_other_images_is_not_used(data: Path, out: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(data, tmp_path / "data"))
    folder = changed / "plates" / "train" / "good"
    shutil.copy(folder / "00.png", folder / "01.png")
    with pytest.raises(CheckpointError, match=r"discs_seed0 holds a student trained on other"):
        run(plan(changed, out))


def test_changed_test_images_are_scored_again(
    data: Path, out: Path, tmp_path: Path, scored: Counted
) -> None:
    changed = Path(shutil.copytree(data, tmp_path / "data"))
    shutil.copy(changed / "discs/test/ungood/00.png", changed / "discs/test/good/00.png")
    run(plan(changed, out))
    assert {task for task, _, _ in scored()} == {"discs"}


def test_both_trainings_stand_side_by_side(data: Path, out: Path) -> None:
    scores = run(replace(plan(data, out, ("default", "paper")), held_out=("discs",), draws=1))
    assert {(one.method, one.seed) for one in scores} == {("default", 0), ("paper", 0)}
    weighting = {
        name: read_card(out / "students" / name / "discs_seed0" / "checkpoint").network.weighting
        for name in ("default", "paper")
    }
    assert weighting == {"default": "position", "paper": "image"}


def test_a_method_without_its_training_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'paper' needs .* give --preset paper too"):
        replace(plan(data, tmp_path, ("paper",)), trainings={"default": TRAINING})


def test_one_task_cannot_be_held_out(data: Path, tmp_path: Path) -> None:
    benchmark = plan(data, tmp_path)
    with pytest.raises(InputError, match="one task only"):
        replace(benchmark, tasks=("discs",), held_out=("discs",))
    untrained = replace(
        plan(data, tmp_path, ("nearest_neighbour",)), tasks=("discs",), held_out=("discs",)
    )
    assert {one.task for one in run(untrained)} == {"discs"}
