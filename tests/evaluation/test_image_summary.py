"""Summaries against the figures worked out from the single runs."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from d24fad_core.errors import InputError
from d24fad_core.evaluation.image_scores import ImageScores
from d24fad_core.evaluation.image_summary import (
    MEAN_OF_TASKS,
    SummaryRow,
    measure_runs,
    summarise,
)
from d24fad_core.evaluation.metrics import measure_ranking
from tests.evaluation.scored_runs import scored_run


def rows_of(scores: list[ImageScores]) -> dict[tuple[str, str], SummaryRow]:
    rows = summarise(measure_runs(scores, rounds=200))
    return {(row.task, row.method): row for row in rows}


def test_a_row_is_the_mean_over_draws_and_seeds() -> None:
    runs = [scored_run("own", seed=seed, draw=draw) for seed in (0, 1) for draw in range(3)]
    row = rows_of(runs)["hands", "own"]
    areas = [roc_auc_score(run.labels, run.scores) for run in runs]
    assert row.auroc.mean == pytest.approx(np.mean(areas))
    assert row.auroc.deviation == pytest.approx(np.std(areas, ddof=1))
    precisions = [average_precision_score(run.labels, run.scores) for run in runs]
    assert row.average_precision.mean == pytest.approx(np.mean(precisions))
    assert (row.draws, row.seeds, row.trained, row.images) == (3, 2, True, 24)
    assert row.auroc.interval[0] < row.auroc.mean < row.auroc.interval[1]


def test_one_run_has_the_interval_of_its_images_and_no_deviation() -> None:
    run = scored_run("nearest")
    row = rows_of([run])["hands", "nearest"]
    measured = measure_ranking(run.labels, run.scores, rounds=200)
    assert row.auroc.interval == pytest.approx(measured.auroc.interval)
    assert row.sensitivity.mean == measured.sensitivity.value
    assert row.auroc.deviation is None
    assert (row.draws, row.seeds, row.trained) == (1, 0, False)


def test_equal_runs_do_not_narrow_the_interval_over_images() -> None:
    """More draws say nothing of other patients."""
    one = scored_run("own")
    many = [replace(one, draw=draw) for draw in range(9)]
    alone, together = (rows_of(runs)["hands", "own"] for runs in ([one], many))
    assert together.auroc.interval == pytest.approx(alone.auroc.interval)
    assert together.auroc.deviation == 0.0


def test_shots_and_protocols_are_kept_apart() -> None:
    runs = [
        scored_run("own", shots=2),
        scored_run("own", shots=4),
        scored_run("own", shots=4, protocol="official", separation=3),
    ]
    rows = summarise(measure_runs(runs, rounds=20))
    assert sorted((row.shots, row.protocol) for row in rows) == [
        (2, "corrected"),
        (4, "corrected"),
        (4, "official"),
    ]


def test_the_mean_of_tasks_is_the_mean_of_their_figures() -> None:
    runs = [
        scored_run("own", task=task, seed=0, draw=draw, separation=separation)
        for task, separation in (("hands", 0.5), ("knees", 2.0))
        for draw in range(3)
    ]
    rows = rows_of(runs)
    mean = rows[MEAN_OF_TASKS, "own"]
    parts = [rows["hands", "own"].auroc, rows["knees", "own"].auroc]
    assert mean.auroc.mean == pytest.approx(np.mean([part.mean for part in parts]))
    by_draw = [
        np.mean([roc_auc_score(run.labels, run.scores) for run in runs if run.draw == draw])
        for draw in range(3)
    ]
    assert mean.auroc.deviation == pytest.approx(np.std(by_draw, ddof=1))
    widths = [part.interval[1] - part.interval[0] for part in parts]
    assert mean.auroc.interval[1] - mean.auroc.interval[0] < max(widths)
    assert mean.images == 48


def test_a_method_that_lacks_a_task_has_no_mean() -> None:
    runs = [scored_run("own", task="hands"), scored_run("own", task="knees")]
    rows = rows_of([*runs, scored_run("other", task="hands")])
    assert (MEAN_OF_TASKS, "own") in rows
    assert (MEAN_OF_TASKS, "other") not in rows


def test_a_run_twice_is_refused() -> None:
    with pytest.raises(InputError, match="hands, own, 4 shots: a seed and draw stands there twice"):
        measure_runs([scored_run("own"), scored_run("own")])


def test_runs_on_different_images_are_refused() -> None:
    with pytest.raises(InputError, match="scored on different images"):
        measure_runs([scored_run("own"), scored_run("own", draw=1, images=20)])
