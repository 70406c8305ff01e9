"""Scores of the study against those of the product, and of images against themselves in other
company."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.image_tasks.cells import score_draw
from benchmarks.image_tasks.methods import Variant, variants
from benchmarks.image_tasks.official import OFFICIAL, official_scores
from d24fad_core.benchmark.image_benchmark import without_training
from d24fad_core.benchmark.image_cells import CellSettings, HeldOutTask, score_key
from d24fad_core.benchmark.image_methods import choose_methods
from d24fad_core.comparison.scoring import default_image_scoring
from d24fad_core.errors import ConfigurationError
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
    rows,
    scores_by_cell,
)
from tests.benchmark.small_benchmark import NETWORK, SETTINGS
from tests.evaluation.networks import untrained_network
from tests.evaluation.small_tasks import write_task

BOTH = replace(SETTINGS, protocols=(CORRECTED, OFFICIAL))


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
    methods: tuple[Variant, ...],
    settings: CellSettings = SETTINGS,
) -> Cells:
    return scores_by_cell(score_draw, model, task, methods, settings)


def named(*names: str) -> tuple[Variant, ...]:
    return choose_methods(names, variants())


POSITION_METHODS = tuple(method for method in variants() if method.training != "paper")


@pytest.mark.parametrize(
    "name",
    [method.name for method in POSITION_METHODS if not method.poolings],
)
def test_scores_are_those_of_the_product_bit_for_bit(
    model: D24FAD, files: ImageFolderTask, task: HeldOutTask, name: str
) -> None:
    """From the images themselves, by the code that `d24fad evaluate` runs."""
    (method,) = named(name)
    mine = score(model, task, POSITION_METHODS)
    tests = to_unit(load_images([*files.test_good, *files.test_ungood], 64))
    queries = encode_each(model, tests, method.recipe.keys)
    for shots in SETTINGS.shots:
        support = [files.train_good[index] for index in DRAW[:shots]]
        supports = encode_each(model, to_unit(load_images(support, 64)), method.recipe.keys)
        scorer = ImageScorer(model, method.recipe, supports, 64)
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


def test_every_method_finds_what_anyone_would_see(model: D24FAD, task: HeldOutTask) -> None:
    """A bright square on a disc; the student is untrained, so only the teacher's maps count."""
    cells = score(model, task, named("nearest_neighbour", "patchcore", "mean_support_teacher"))
    assert {name.partition("/")[2] for name, _, _ in cells} == {"max", "mean", "top5", "foreground"}
    for key, one in cells.items():
        normal, abnormal = one.scores[:9], one.scores[9:]
        assert max(normal) < min(abnormal), key


def test_nearest_neighbour_knows_its_support(task: HeldOutTask) -> None:
    """Support images shown as test images are at distance 0, which no other image is."""
    model = without_training(NETWORK)
    task_with_support = replace(
        task,
        test=rows(task.train, DRAW[:4]),
        names=tuple("abcd"),
        labels=(0, 0, 1, 1),
    )
    ours = score(model, task_with_support, named("nearest_neighbour"))
    four = ours["nearest_neighbour/mean", CORRECTED, 4].scores
    two = ours["nearest_neighbour/mean", CORRECTED, 2].scores
    assert max(four) - min(four) < 1e-3
    assert max(two[:2]) + 1.0 < min(two[2:])


def test_the_official_protocol_scores_the_same_maps(paper_model: D24FAD, task: HeldOutTask) -> None:
    cells = score(paper_model, task, named("paper"), BOTH)
    published, honest = (cells["paper", protocol, 4] for protocol in (OFFICIAL, CORRECTED))
    # 17 images make one batch of 16; the last abnormal one is dropped.
    assert published.names == honest.names[:16]
    assert published.labels == honest.labels[:16]
    assert (min(published.scores), max(published.scores)) == (0.0, 1.0)
    assert set(score(paper_model, task, named("paper"))) < set(cells)


def test_the_official_score_of_the_default_has_an_honest_one_of_the_same_maps(
    model: D24FAD, files: ImageFolderTask, task: HeldOutTask
) -> None:
    cells = score(model, task, named("default", "patchcore"), BOTH)
    assert {name for name, protocol, _ in cells if protocol == OFFICIAL} == {
        "default/paper_pooling"
    }
    scoring = default_image_scoring()
    tests = to_unit(load_images([*files.test_good, *files.test_ungood], 64))
    support = [files.train_good[index] for index in DRAW[:4]]
    supports = encode_each(model, to_unit(load_images(support, 64)), scoring.keys)
    scorer = ImageScorer(model, scoring, supports, 64)
    maps = np.stack(
        [
            scorer.fused_map(scorer.compare(query)).numpy()
            for query in encode_each(model, tests, scoring.keys)
        ]
    )
    published = official_scores(maps, task.labels)
    assert cells["default/paper_pooling", OFFICIAL, 4].scores == published.scores
    assert cells["default/paper_pooling", CORRECTED, 4].scores == tuple(
        float(ndimage.gaussian_filter(image, 4.0).max()) for image in maps
    )


def test_whatever_shapes_a_variant_is_in_its_key(task: HeldOutTask) -> None:
    method = named("default")[0]

    def key(method: Variant = method, settings: CellSettings = SETTINGS) -> str:
        return score_key(task, method, settings, 0, "w")

    keys = [
        key(),
        key(method=named("patchcore")[0]),
        key(method=replace(method, recipe=named("self_distillation")[0].recipe)),
        key(method=replace(method, poolings=named("residual")[0].poolings)),
        key(settings=BOTH),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == key()
