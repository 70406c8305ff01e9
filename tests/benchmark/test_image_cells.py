"""Scores of the benchmark against those of the product, and of images against themselves in other
company."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d24fad_core.benchmark.image_cells import (
    CellSettings,
    HeldOutTask,
    draw_supports,
    score_draw,
    score_key,
)
from d24fad_core.benchmark.image_methods import ScoredMethod, choose_methods, default_methods
from d24fad_core.comparison.scoring import ImageScoringConfig
from d24fad_core.errors import ConfigurationError, SupportError
from d24fad_core.evaluation.image_scores import CORRECTED
from d24fad_core.images.image_folder import ImageFolderTask, find_task, load_images, to_unit
from d24fad_core.images.image_scorer import ImageScorer, encode_each
from d24fad_core.networks.d24fad import D24FAD
from tests.benchmark.held_out_task import (
    DRAW,
    Cells,
    assert_same_alone,
    assert_same_as_the_papers_scorer,
    assert_same_in_any_company,
    held_out_task,
    paper_network,
    scores_by_cell,
)
from tests.benchmark.small_benchmark import SETTINGS
from tests.evaluation.networks import untrained_network
from tests.evaluation.small_tasks import write_task


@pytest.fixture(scope="module")
def model() -> D24FAD:
    return untrained_network()


@pytest.fixture(scope="module")
def paper_model() -> D24FAD:
    return paper_network()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_task(tmp_path_factory.mktemp("tasks"), train=10, good=9, bad=8)


@pytest.fixture(scope="module")
def files(folder: Path) -> ImageFolderTask:
    return find_task(folder, "discs")


@pytest.fixture(scope="module")
def task(model: D24FAD, files: ImageFolderTask, folder: Path) -> HeldOutTask:
    return held_out_task(model, files, folder)


def score(
    model: D24FAD,
    task: HeldOutTask,
    methods: tuple[ScoredMethod, ...],
    settings: CellSettings = SETTINGS,
) -> Cells:
    return scores_by_cell(score_draw, model, task, methods, settings)


def named(*names: str) -> tuple[ScoredMethod, ...]:
    return choose_methods(names, default_methods())


POSITION_METHODS = tuple(method for method in default_methods() if method.training != "paper")


@pytest.mark.parametrize("name", [method.name for method in POSITION_METHODS])
def test_scores_are_those_of_the_product_bit_for_bit(
    model: D24FAD, files: ImageFolderTask, task: HeldOutTask, name: str
) -> None:
    """From the images themselves, by the code that `d24fad evaluate` runs."""
    scoring = named(name)[0].scoring
    assert isinstance(scoring, ImageScoringConfig)
    mine = score(model, task, POSITION_METHODS)
    tests = to_unit(load_images([*files.test_good, *files.test_ungood], 64))
    queries = encode_each(model, tests, scoring.keys)
    for shots in SETTINGS.shots:
        support = [files.train_good[index] for index in DRAW[:shots]]
        supports = encode_each(model, to_unit(load_images(support, 64)), scoring.keys)
        scorer = ImageScorer(model, scoring, supports, 64)
        theirs = tuple(scorer.score(query) for query in queries)
        assert mine[name, CORRECTED, shots].scores == theirs


def test_the_papers_scores_are_those_of_its_scorer(
    paper_model: D24FAD, files: ImageFolderTask, task: HeldOutTask
) -> None:
    assert_same_as_the_papers_scorer(score(paper_model, task, named("paper")), paper_model, files)


def test_the_published_map_needs_one_weight_an_image(model: D24FAD, task: HeldOutTask) -> None:
    with pytest.raises(ConfigurationError, match="--preset paper"):
        score(model, task, named("paper"))


@pytest.mark.parametrize("paper", [False, True])
def test_an_image_has_the_same_score_in_any_company(
    model: D24FAD, paper_model: D24FAD, task: HeldOutTask, paper: bool
) -> None:
    network = paper_model if paper else model
    methods = named("paper") if paper else POSITION_METHODS
    assert_same_in_any_company(score_draw, network, task, methods)


def test_other_methods_and_shots_change_no_score(model: D24FAD, task: HeldOutTask) -> None:
    assert_same_alone(score_draw, model, task, POSITION_METHODS)


def test_fewer_shots_are_a_part_of_more_and_draws_differ() -> None:
    eight = draw_supports(50, (2, 4, 8), 0, 3)
    assert len(set(eight)) == 8
    np.testing.assert_array_equal(draw_supports(50, (2,), 0, 3), eight)
    np.testing.assert_array_equal(draw_supports(50, (16,), 0, 3)[:0], eight[:0])
    assert set(draw_supports(50, (2,), 0, 4)) != set(eight)
    assert set(draw_supports(50, (2,), 1, 3)) != set(eight)
    expected = np.random.default_rng([0, 3]).choice(50, 8, replace=False)
    np.testing.assert_array_equal(eight, expected)


def test_a_task_with_too_few_normals_is_refused() -> None:
    with pytest.raises(SupportError, match="8 support images and there are 7"):
        draw_supports(7, (2,), 0, 0)


def test_whatever_shapes_a_score_is_in_its_key(task: HeldOutTask) -> None:
    method = named("default")[0]

    def key(
        task: HeldOutTask = task,
        method: ScoredMethod = method,
        settings: CellSettings = SETTINGS,
        draw: int = 0,
        weights: str = "w",
    ) -> str:
        return score_key(task, method, settings, draw, weights)

    keys = [
        key(),
        key(replace(task, key="other content")),
        key(replace(task, labels=task.labels[::-1])),
        key(replace(task, names=task.names[::-1])),
        key(method=named("nearest_neighbour")[0]),
        key(method=replace(method, scoring=named("nearest_neighbour")[0].scoring)),
        key(settings=replace(SETTINGS, shots=(2,))),
        key(settings=replace(SETTINGS, protocols=(CORRECTED, "official"))),
        key(settings=replace(SETTINGS, image_size=128)),
        key(settings=replace(SETTINGS, draw_seed=1)),
        key(draw=1),
        key(weights="others"),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == key()
